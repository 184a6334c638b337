"""What a request needs besides itself: settings, sessions, the clock; carried in the ASGI scope."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session, sessionmaker
from starlette.types import ASGIApp, Receive, Scope, Send

from control_plane.database import session_factory
from control_plane.domain.clock import Clock, SystemClock
from control_plane.http.limits import Attempts, Places
from control_plane.services.sealing import Sealer, sealer_from
from control_plane.settings import Settings, get_settings


@dataclass(frozen=True, slots=True)
class Context:
    """Shared by all requests of one application object."""

    settings: Settings
    sessions: sessionmaker[Session]
    sealer: Sealer
    clock: Clock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.SystemRandom)
    # Guessing a password: five tries at once, then one each ten seconds.
    sign_ins: Attempts = field(default_factory=lambda: Attempts(burst=5, refill_s=10.0))
    # One address may try many accounts, as an office behind one address does.
    sign_ins_by_host: Attempts = field(default_factory=lambda: Attempts(burst=30, refill_s=2.0))
    # Each open page costs a look at the database every two seconds.
    streams: Places = field(default_factory=lambda: Places(500))


def context_from_environment() -> Context:
    """Raises where a setting is missing or wrong."""
    settings = get_settings()
    return Context(settings, session_factory(), sealer_from(settings))


class WithContext:
    """ASGI middleware: puts the context where mounted applications find it too."""

    def __init__(self, app: ASGIApp, context: Callable[[], Context]) -> None:
        self.app, self.context = app, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["context"] = self.context()
        await self.app(scope, receive, send)


def context_of(request: Request) -> Context:
    context = request.state.context
    assert isinstance(context, Context)
    return context


ContextDep = Annotated[Context, Depends(context_of)]


def client_host(request: Request) -> str:
    return request.client.host if request.client else "unknown"
