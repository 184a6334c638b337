"""Loopback HTTP for the machine's own agent: GET /metrics (Prometheus text), GET /ready."""

import asyncio
from collections.abc import Callable
from typing import cast

from data_plane.server.listener import ListenerRefused

REQUEST_BYTES_MAX = 8 * 1024
LOOPBACK = "127.0.0.1"

Page = Callable[[], tuple[int, str]]  # status and text
REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class MetricsConnection(asyncio.Protocol):
    """One request, one answer, closed. Bodies and headers of requests are not looked at."""

    def __init__(self, pages: dict[str, Page]) -> None:
        self._pages = pages
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        transport = self._transport
        if transport is None:
            return
        if len(self._received) > REQUEST_BYTES_MAX:
            transport.abort()
        elif b"\r\n\r\n" in self._received:
            transport.write(self._answer())
            transport.close()

    def _answer(self) -> bytes:
        method, _, rest = self._received.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("ascii", "replace")
        page = self._pages.get(path)
        if page is None:
            status, text = 404, "no such page; there are " + " and ".join(self._pages) + "\n"
        elif method != b"GET":
            status, text = 405, "only GET is served\n"
        else:
            status, text = page()
        body = text.encode()
        head = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\n"
            "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


async def open_metrics(port: int, pages: dict[str, Page]) -> asyncio.Server:
    """Listen on loopback; port 0 takes any free one. Raises ListenerRefused."""
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(lambda: MetricsConnection(pages), LOOPBACK, port)
    except OSError as error:
        raise ListenerRefused(
            f"port {port} on {LOOPBACK}, for metrics, cannot be had ({error.strerror}); stop who "
            "has it or choose another port"
        ) from error
