"""Operations: read at once, or wait for the end of one without holding a connection."""

from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session

from control_plane.api.schemas.addons import addon_name
from control_plane.api.schemas.operations import OperationOut, operation_out
from control_plane.domain.durations import parse_ms
from control_plane.domain.states import LIVE
from control_plane.http.auth import TOKEN_SHOWN, token_text
from control_plane.http.context import ContextDep
from control_plane.http.errors import not_found
from control_plane.http.units import TransactionRoute, in_session
from control_plane.models import Addon
from control_plane.services import operations, tokens
from control_plane.services.lookup import uuid_from

router = APIRouter(prefix="/operations", tags=["operations"], route_class=TransactionRoute)

WAIT_MS_MAX = 60_000
LOOK_EVERY_S = 0.15  # an indexed read by primary key; only while somebody waits


@router.get("/{operation}", dependencies=[TOKEN_SHOWN])
async def read_operation(
    operation: str,
    request: Request,
    context: ContextDep,
    wait: Annotated[str | None, Query(max_length=20)] = None,
) -> OperationOut:
    """Read an operation; `?wait=30s` answers when it has ended, or after that time as it is."""
    text = token_text(request)
    operation_id = uuid_from(operation)
    if operation_id is None:
        raise not_found("operation")
    wait_ms = min(parse_ms(wait), WAIT_MS_MAX) if wait else 0

    def look(session: Session) -> OperationOut:
        # The token is looked at each time: what is revoked meanwhile sees nothing more.
        account = tokens.authenticate(session, text, now=context.clock.now()).account
        found = operations.get(session, account, operation_id)
        addon = session.get_one(Addon, found.addon_id)
        return operation_out(found, addon_name(addon))

    seen = await in_session(context.sessions, look)
    with anyio.move_on_after(wait_ms / 1000):
        while seen.state in LIVE:
            await anyio.sleep(LOOK_EVERY_S)
            seen = await in_session(context.sessions, look)
    return seen
