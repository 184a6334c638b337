"""Request-Id: accepted if it is a UUID, else made; returned with every reply and put into logs."""

import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def request_id_from(header: str | None) -> str:
    """Return the first UUID of a comma list (polling clients send a growing one), or a new one."""
    for part in (header or "").split(","):
        try:
            return str(uuid.UUID(part.strip()))
        except ValueError:
            continue
    return str(uuid.uuid4())


def request_id_of(scope: Scope) -> str:
    """The id that RequestIds gave to this request; "" outside of it."""
    return str(scope.get("state", {}).get("request_id", ""))


class RequestIds:
    """ASGI middleware; outermost, so that refusals of the others carry the id too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_from(Headers(scope=scope).get("request-id"))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Request-Id"] = request_id
            await send(message)

        await self.app(scope, receive, send_with_id)
