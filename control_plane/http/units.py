"""One unit of work per request: a session opened on first use, one commit, what follows it.

Endpoints never commit. `TransactionRoute` does, after the reply is built and before it is sent, so
that the reply kept for an Idempotency-Key and the effect it tells of are one transaction.
"""

import hashlib
import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from control_plane.http.context import context_of

log = logging.getLogger(__name__)
T = TypeVar("T")


class Replay(Exception):
    """Carries the reply that was given to an earlier request with the same Idempotency-Key."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Unit:
    """The work of one request: not shared, used by one thread at a time."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        self._session: Session | None = None
        self.before_commit: list[Callable[[Session, Response], None]] = []
        self.after_commit: list[Callable[[], object]] = []

    @property
    def session(self) -> Session:
        if self._session is None:
            self._session = self._sessions()
        return self._session

    def commit(self, response: Response) -> None:
        """Commit, then do what must not happen before: wake-up calls, best effort."""
        if self._session is None:
            return
        for hook in self.before_commit:
            hook(self._session, response)
        self._session.commit()
        self._session.close()
        for call in self.after_commit:
            try:
                call()
            except Exception:
                # The commit stands; a sweep re-sends lost wake-up calls.
                log.exception("a call after the commit failed")

    def close(self) -> None:
        """Roll back whatever was not committed and give the connection back."""
        if self._session is not None:
            self._session.close()


def unit_of(request: Request) -> Unit:
    unit = request.state.unit
    assert isinstance(unit, Unit)
    return unit


def session_of(request: Request) -> Session:
    return unit_of(request).session


UnitDep = Annotated[Unit, Depends(unit_of)]
SessionDep = Annotated[Session, Depends(session_of)]


async def in_session(sessions: sessionmaker[Session], work: Callable[[Session], T]) -> T:
    """Run `work` in a session of its own, committed, off the event loop.

    For requests that wait: they hold no connection while they sleep between two looks.
    """

    def run() -> T:
        with sessions.begin() as session:
            return work(session)

    return await run_in_threadpool(run)


def with_etag(request: Request, response: Response) -> Response:
    """Mark a 200 reply to GET with the hash of its body; 304 if the client has that very body."""
    if request.method != "GET" or response.status_code != 200 or not hasattr(response, "body"):
        return response
    etag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    known = {tag.strip().removeprefix("W/") for tag in _if_none_match(request)}
    if etag not in known and "*" not in known:
        return response
    kept = {
        name: response.headers[name] for name in ("ETag", "Warning") if name in response.headers
    }
    return Response(status_code=304, headers=kept)


def _if_none_match(request: Request) -> list[str]:
    return request.headers.get("if-none-match", "").split(",")


class TransactionRoute(APIRoute):
    """A route whose request is one unit of work."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_as_unit(request: Request) -> Response:
            unit = request.state.unit = Unit(context_of(request).sessions)
            try:
                response = await handle(request)
                if response.status_code < 400:
                    await run_in_threadpool(unit.commit, response)
                return with_etag(request, response)
            except Replay as replay:
                return replay.response
            finally:
                await run_in_threadpool(unit.close)

        return handle_as_unit
