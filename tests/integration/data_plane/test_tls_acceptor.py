"""Accepting TLS on real sockets: who says nothing, who cannot be trusted, who is too many."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_plane.broker.config import TlsConfig
from data_plane.server.handshake_queue import HandshakeQueue
from data_plane.server.log_limit import LogLimit
from data_plane.server.tls import server_context
from data_plane.server.tls_acceptor import TlsAcceptor
from tests.fakes.certificates import CertificateAuthority, Pair
from tests.integration.data_plane.broker_process import wait_until


class Room:
    def __init__(self, places: int) -> None:
        self.places = places

    def reserve(self) -> bool:
        self.places -= self.places > 0
        return self.places > 0

    def release(self) -> None:
        self.places += 1


class Pace:
    """Lets everybody come, or nobody."""

    def __init__(self) -> None:
        self.wait_ms = self.held_ms = 0

    def accept_wait_ms(self) -> int:
        return self.wait_ms

    def refused_ms(self, host: str) -> int:
        assert host == "127.0.0.1"
        return self.held_ms


class Greeter(asyncio.Protocol):
    """Says so when somebody got through."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"welcome")
        transport.close()


class Served:
    """A listening socket with an acceptor on it, for the length of an `async with`."""

    def __init__(self, folder: Path, *, places: int = 100, handshake_s_max: float = 10) -> None:
        self.authority = CertificateAuthority()
        server = self.authority.server()
        for name, text in (
            ("server.crt", server.certificate_pem),
            ("server.key", server.key_pem),
            ("ca.crt", self.authority.certificate_pem),
        ):
            (folder / name).write_text(text)
        self.folder = folder
        self.context = server_context(
            TlsConfig(folder / "server.crt", folder / "server.key", folder / "ca.crt")
        )
        self.room = Room(places)
        self.pace = Pace()
        self.handshake_s_max = handshake_s_max
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.port: int = self.listening.getsockname()[1]

    async def __aenter__(self) -> "Served":
        loop = asyncio.get_running_loop()
        self.acceptor = TlsAcceptor(
            "TEST",
            self.listening,
            loop,
            context=lambda: self.context,
            protocol=Greeter,
            room=self.room,
            pace=self.pace,
            queue=HandshakeQueue(loop, under_way_max=10, waiting_max=10),
            warnings=LogLimit(loop.time),
            handshake_s_max=self.handshake_s_max,
        )
        self.acceptor.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.acceptor.close()
        self.listening.close()

    async def ask(self, client: Pair) -> bytes:
        """What a client with this certificate is told; empty if it is turned away."""
        context = ssl.create_default_context(cadata=self.authority.certificate_pem)
        (self.folder / "client.pem").write_text(client.certificate_pem + client.key_pem)
        context.load_cert_chain(self.folder / "client.pem")
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=context, server_hostname="localhost"
            )
            told = await reader.read()
            writer.close()
        except (ssl.SSLError, ConnectionError):
            return b""
        return told


@pytest.fixture(autouse=True)
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.WARNING, "data_plane.server"):
        yield caplog


def test_a_client_of_the_cluster_gets_through(tmp_path: Path) -> None:
    async def run() -> None:
        async with Served(tmp_path) as served:
            assert await served.ask(served.authority.client("app", "cluster")) == b"welcome"
            assert served.room.places == 100

    asyncio.run(run())


def test_a_failed_handshake_is_logged_with_peer_and_reason(
    tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with Served(tmp_path) as served:
            stranger = CertificateAuthority("another").client("app", "cluster")
            assert await served.ask(stranger) == b""
            await asyncio.to_thread(wait_until, lambda: warnings.messages, "the warning")
            assert served.room.places == 100

    asyncio.run(run())
    (line,) = warnings.messages
    assert line.startswith("TLS handshake of 127.0.0.1 on TEST: client certificate refused: ")


def test_plaintext_is_named(tmp_path: Path, warnings: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with Served(tmp_path) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(bytes.fromhex("0000000a00120000000000010000"))
            await reader.read()
            writer.close()

    asyncio.run(run())
    (line,) = warnings.messages
    assert "TLS handshake of 127.0.0.1 on TEST: " in line


def test_who_says_nothing_is_closed(tmp_path: Path, warnings: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with Served(tmp_path, handshake_s_max=0.05) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            assert await reader.read() == b""
            writer.close()
            assert served.room.places == 100

    asyncio.run(run())
    assert warnings.messages == [
        "closing connection from 127.0.0.1 on TEST: it did not begin TLS in time"
    ]


def test_who_begins_and_goes_silent_is_closed(
    tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with Served(tmp_path, handshake_s_max=0.05) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(bytes.fromhex("16"))
            assert await reader.read() == b""
            writer.close()

    asyncio.run(run())
    assert warnings.messages[0].startswith("TLS handshake of 127.0.0.1 on TEST: ")


def test_one_too_many_is_closed_at_once(tmp_path: Path, warnings: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with Served(tmp_path, places=1) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            assert await reader.read() == b""
            writer.close()

    asyncio.run(run())
    assert warnings.messages == ["too many connections: 127.0.0.1 on TEST refused"]


def test_who_comes_too_often_is_held_and_closed(
    tmp_path: Path, warnings: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with Served(tmp_path) as served:
            served.pace.held_ms = 20
            assert await served.ask(served.authority.client("app", "cluster")) == b""
            assert served.room.places == 100
            served.pace.held_ms = 0
            assert await served.ask(served.authority.client("app", "cluster")) == b"welcome"

    asyncio.run(run())
    assert warnings.messages[0] == (
        "closing connection from 127.0.0.1 on TEST: it comes too often for its quota"
    )


def test_accepting_waits_and_goes_on(tmp_path: Path) -> None:
    """Nobody is accepted while the pace says to wait; who came meanwhile is served afterwards."""

    async def run() -> None:
        async with Served(tmp_path) as served:
            served.pace.wait_ms = 10
            asking = asyncio.ensure_future(served.ask(served.authority.client("app", "cluster")))
            done, _ = await asyncio.wait([asking], timeout=0.2)
            assert not done
            served.pace.wait_ms = 0
            assert await asyncio.wait_for(asking, 30) == b"welcome"

    asyncio.run(run())
