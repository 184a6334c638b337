"""What the agent believes, over HTTP on loopback: GET /healthz, GET /v1/status."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

REQUEST_BYTES_MAX = 8192
SECONDS_MAX = 5.0
CONNECTIONS_MAX = 32

Answer = tuple[int, dict[str, Any]]


class StatusServer:
    """Serves until closed. Loopback only; nothing it says is secret."""

    def __init__(self, status: Callable[[], dict[str, Any]]) -> None:
        self._status = status
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self, port: int) -> int:
        """Bind 127.0.0.1:`port` (0: any free one); returns the port. Raises OSError if taken."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, limit=REQUEST_BYTES_MAX
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAX:
                async with asyncio.timeout(SECONDS_MAX):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(_encoded(self._answer(head)))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the asker went away, was too slow, or sent no request
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _answer(self, head: bytes) -> Answer:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0]
        if method != b"GET":
            return 405, {"id": "method_not_allowed", "message": "Only GET is served here."}
        if path == b"/healthz":
            return 200, {"status": "ok"}
        if path == b"/v1/status":
            return 200, self._status()
        return 404, {"id": "not_found", "message": "There are /healthz and /v1/status."}


def _encoded(answer: Answer) -> bytes:
    status, value = answer
    reason = {200: "OK", 404: "Not Found", 405: "Method Not Allowed"}[status]
    body = json.dumps(value).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
