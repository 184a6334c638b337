"""Server-sent events: the fragments of a page, each time one of them changes.

The server looks at the database every two seconds in a session of its own and holds no connection
in between. Events carry whole fragments, so a reconnect needs no memory of what was missed.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from control_plane.dashboard.clusters import cluster_view
from control_plane.dashboard.fleet import fleet_of
from control_plane.dashboard.sign_in import session_text
from control_plane.dashboard.site import text_of
from control_plane.domain.errors import ServiceError
from control_plane.http.context import Context, ContextDep
from control_plane.http.errors import check_path_text
from control_plane.http.units import TransactionRoute, in_session
from control_plane.models import Account
from control_plane.services import clusters, tokens

log = logging.getLogger(__name__)
router = APIRouter(route_class=TransactionRoute)

EVERY_S: Final = 2.0
TICK_EVERY: Final = 2  # unchanged looks between two signs of life

Fragments = dict[str, str]
Look = Callable[[Session, Account], Fragments]

_CLUSTER_FRAGMENTS: Final = {
    "cluster-facts": "cluster_facts",
    "cluster-status": "cluster_status",
    "cluster-rates": "cluster_rates",
    "cluster-bars": "cluster_bars",
    "cluster-brokers": "cluster_brokers",
    "cluster-cost": "cluster_cost",
    "cluster-operations": "cluster_operations",
}


@router.get("/ui/stream")
async def stream_fleet(request: Request, context: ContextDep) -> StreamingResponse:
    def look(session: Session, account: Account) -> Fragments:
        now = context.clock.now()
        fleet, slug = fleet_of(session, account, now=now), context.settings.addon_slug
        return {
            name: text_of(f"fragments/{template}.html", now, fleet=fleet, slug=slug)
            for name, template in (("fleet-tiles", "fleet_tiles"), ("fleet-rows", "fleet_rows"))
        }

    return await _stream(request, context, look)


@router.get("/ui/clusters/{cluster}/stream")
async def stream_cluster(cluster: str, request: Request, context: ContextDep) -> StreamingResponse:
    def look(session: Session, account: Account) -> Fragments:
        now = context.clock.now()
        found = clusters.get(session, account, check_path_text(cluster, "cluster"))
        view = cluster_view(session, found, now=now)
        fragments = {
            name: text_of(f"fragments/{template}.html", now, cluster=view)
            for name, template in _CLUSTER_FRAGMENTS.items()
        }
        for name, can_delete in (("cluster-topics", False), ("cluster-topics-deletable", True)):
            fragments[name] = text_of(
                "fragments/topics_table.html", now, cluster=view, can_delete=can_delete
            )
        return fragments

    return await _stream(request, context, look)


async def _stream(request: Request, context: Context, look: Look) -> StreamingResponse:
    """Answer refusals as such; only then begin to stream."""
    token_text = session_text(request)

    def authenticated(session: Session) -> Fragments:
        # Looked at anew each time: a session that was ended sees nothing more.
        token = tokens.authenticate(session, token_text, now=context.clock.now())
        return look(session, token.account)

    context.streams.check()
    first = await in_session(context.sessions, authenticated)
    return StreamingResponse(
        _events(context, authenticated, first),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    context: Context, look: Callable[[Session], Fragments], fragments: Fragments
) -> AsyncIterator[str]:
    """Yield what changed; a refusal (session ended, cluster gone) ends the page's life."""
    with context.streams:
        async for event in _changes(context, look, fragments):
            yield event


async def _changes(
    context: Context, look: Callable[[Session], Fragments], fragments: Fragments
) -> AsyncIterator[str]:
    sent: dict[str, bytes] = {}
    number, quiet = 0, 0
    while True:
        changed = {name: html for name, html in fragments.items() if _is_new(sent, name, html)}
        if changed:
            number, quiet = number + 1, 0
            yield f"id: {number}\nevent: fragments\ndata: {json.dumps(changed)}\n\n"
        else:
            quiet += 1
            if quiet % TICK_EVERY == 0:
                yield "event: tick\ndata: {}\n\n"
        await asyncio.sleep(EVERY_S)
        try:
            fragments = await in_session(context.sessions, look)
        except ServiceError:
            yield "event: over\ndata: {}\n\n"
            return
        except SQLAlchemyError as error:
            # The page turns stale and comes back by itself.
            log.warning("a live page ends, the database is out of reach: %s", type(error).__name__)
            return


def _is_new(sent: dict[str, bytes], name: str, html: str) -> bool:
    digest = hashlib.blake2b(html.encode(), digest_size=16).digest()
    if sent.get(name) == digest:
        return False
    sent[name] = digest
    return True
