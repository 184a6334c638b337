"""Limits of a request: body size and attempts per time."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.http.errors import ApiError, reply

BODY_BYTES_MAX: Final = 1024 * 1024


class BodyLimit:
    """ASGI middleware: refuses a body over `bytes_max` with 413, announced or not."""

    def __init__(self, app: ASGIApp, bytes_max: int = BODY_BYTES_MAX) -> None:
        self.app, self.bytes_max = app, bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > self.bytes_max:
            await reply(Request(scope), self._error())(scope, receive, send)
            return
        seen_bytes = 0

        async def receive_counted() -> Message:
            nonlocal seen_bytes
            message = await receive()
            seen_bytes += len(message.get("body", b""))
            if seen_bytes > self.bytes_max:
                # Raised inside the application: its handlers turn this kind into a reply.
                raise HTTPException(413)
            return message

        await self.app(scope, receive_counted, send)

    def _error(self) -> ApiError:
        return ApiError(
            "request_too_large",
            f"The body is larger than {self.bytes_max} bytes.",
            headers={"Connection": "close"},
        )


class Places:
    """So many at once and no more; for things that stay, such as event streams."""

    def __init__(self, count_max: int) -> None:
        self.count_max, self.taken = count_max, 0

    def check(self) -> None:
        """Raises ApiError rate_limit if no place is free."""
        if self.taken >= self.count_max:
            raise ApiError(
                "rate_limit",
                "Too many live pages are open on this service. Reload by hand for now.",
                headers={"Retry-After": "10"},
            )

    def __enter__(self) -> None:
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        self.taken -= 1


class Attempts:
    """Token buckets by key, in memory: so many attempts at once, then one per `refill_s`.

    Each API process counts for itself; what it guards (password guessing) stays slow all the same,
    because hashing a password is slow. At most `keys_max` keys are kept, the oldest go first.
    """

    def __init__(
        self,
        burst: int,
        refill_s: float,
        *,
        keys_max: int = 10_000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.burst, self.refill_s, self.keys_max, self.now = burst, refill_s, keys_max, now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Return 0 if the attempt may go on, else the seconds to wait."""
        now = self.now()
        tokens, at = self._buckets.pop(key, (float(self.burst), now))
        tokens = min(self.burst, tokens + (now - at) / self.refill_s)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self.keys_max:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) * self.refill_s

    def check(self, *keys: str) -> None:
        """Raise ApiError rate_limit if any of `keys` is spent; each is charged one attempt."""
        wait_s = max([self.take(key) for key in keys])
        if wait_s:
            seconds = int(wait_s) + 1
            raise ApiError(
                "rate_limit",
                f"Too many attempts. Try again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )
