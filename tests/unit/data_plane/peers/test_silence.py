"""Connections between brokers tell the kernel how long the other end may be silent."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from data_plane.peers.silence import SILENT_S_MAX, notice_silence

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="others keep their own patience")


async def accepted(address: str | int) -> tuple[asyncio.StreamWriter, list[asyncio.StreamWriter]]:
    """Connect to a server of this test; returns both ends."""
    came: list[asyncio.StreamWriter] = []
    has_come = asyncio.Event()

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer)
        has_come.set()

    if isinstance(address, str):
        server = await asyncio.start_unix_server(take, address)
        _, writer = await asyncio.open_unix_connection(address)
    else:
        server = await asyncio.start_server(take, "127.0.0.1", address)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    await has_come.wait()
    server.close()
    return writer, came


def test_what_is_not_acknowledged_and_who_does_not_answer_ends_a_connection() -> None:
    async def scenario() -> None:
        writer, came = await accepted(0)
        notice_silence(writer)
        sock = writer.get_extra_info("socket")
        found = [
            sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        ]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        for one in (writer, *came):
            one.close()
            await one.wait_closed()
        patience_ms, idle_s, interval_s, count = found
        assert patience_ms == SILENT_S_MAX * 1_000
        assert idle_s + interval_s * count <= SILENT_S_MAX

    asyncio.run(scenario())


def test_a_socket_file_has_nothing_of_the_kind(tmp_path: Path) -> None:
    async def scenario() -> None:
        writer, came = await accepted(str(tmp_path / "s"))
        notice_silence(writer)
        for one in (writer, *came):
            one.close()
            await one.wait_closed()

    asyncio.run(scenario())
