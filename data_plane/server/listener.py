"""Listening sockets: bound before anything else, opened when the broker may serve."""

import asyncio
import errno
import ipaddress
import socket
import ssl

from data_plane.broker.broker import Broker
from data_plane.broker.config import Limits, ListenerConfig, SaslConfig
from data_plane.broker.dispatch import Session
from data_plane.metadata.records import BrokerListener
from data_plane.security.backoff import FailureDelays
from data_plane.security.certificates import principal_from_certificate
from data_plane.security.principals import ANONYMOUS
from data_plane.security.scram import MECHANISMS
from data_plane.server.connection import Connection
from data_plane.server.door import Door
from data_plane.server.handshake_queue import HandshakeQueue
from data_plane.server.listener_pace import ListenerPace
from data_plane.server.log_limit import LogLimit
from data_plane.server.response_budget import ResponseBudget
from data_plane.server.sasl_exchange import SaslExchange
from data_plane.server.tls import server_context
from data_plane.server.tls_acceptor import TlsAcceptor
from data_plane.server.turns import Turns

BACKLOG = 4096


class ListenerRefused(Exception):
    """A listener cannot be had as configured; the text says what to change."""


def is_loopback(host: str) -> bool:
    """True for addresses and names that never leave the machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Listener:
    """One listener of this broker: its socket, and the sessions of those who come by it."""

    def __init__(self, config: ListenerConfig, *, cluster_id: str = "") -> None:
        """Bind. Raises ListenerRefused: plaintext off loopback, or the port is taken."""
        if config.tls is None and not is_loopback(config.bind):
            raise ListenerRefused(
                f"listener {config.name} on {config.bind} has no TLS: plaintext is served on "
                "loopback only; configure tls or bind 127.0.0.1"
            )
        if config.sasl is not None and not set(config.sasl.mechanisms) <= MECHANISMS.keys():
            raise ListenerRefused(
                f"listener {config.name} names a SASL mechanism that is not one of "
                + ", ".join(MECHANISMS)
            )
        self.config = config
        self.cluster_id = cluster_id
        self._context = (
            None
            if config.tls is None
            else server_context(config.tls, asks_certificate=config.sasl is None)
        )
        self._socket = bound_socket(config)
        self._server: asyncio.Server | TlsAcceptor | None = None
        self._broker: Broker | None = None
        self._sasl_secret = b""
        self._delays = FailureDelays(0)  # The limits come with `open`.

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def host(self) -> str:
        return self.config.bind

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def advertised(self) -> BrokerListener:
        """What clients are told (durability.md 8)."""
        return BrokerListener(
            self.config.name,
            self.config.advertised_host or self.config.bind,
            self.config.advertised_port or self.port,
        )

    async def open(
        self,
        turns: Turns,
        limits: Limits,
        connections: "Connections",
        sasl_secret: bytes = b"",
    ) -> None:
        """Begin to accept.

        sasl_secret: from server/sasl_secret.py; a listener with SASL cannot do without.
        """
        assert sasl_secret or self.config.sasl is None, "SASL needs the broker's secret"
        self._sasl_secret = sasl_secret
        self._delays = FailureDelays(limits.failed_authentication_delay_ms)
        self._broker = turns.broker
        loop = asyncio.get_running_loop()
        pace = ListenerPace(self.config.name, self.config.connections_per_s_max, turns)

        def protocol() -> Connection:
            # With TLS they are counted before their handshake.
            own_pace = pace if self._context is None else None
            return Connection(turns, limits, Door(self, connections, own_pace))

        if self._context is None:
            self._server = await loop.create_server(protocol, sock=self._socket, backlog=BACKLOG)
            return
        self._server = TlsAcceptor(
            self.config.name,
            self._socket,
            loop,
            context=self._tls_context,
            protocol=protocol,
            room=connections,
            pace=pace,
            queue=connections.handshakes,
            warnings=connections.warnings,
            handshake_s_max=limits.handshake_ms_max / 1000,
        )
        self._server.open()

    def reload(self) -> None:
        """Read certificate, key and client CA anew, for the handshakes from now on.

        Raises TlsRefused; then what was there stays in force.
        """
        if self.config.tls is not None:
            self._context = server_context(
                self.config.tls, asks_certificate=self.config.sasl is None
            )

    def _tls_context(self) -> ssl.SSLContext:
        assert self._context is not None, "asked only on a listener with TLS"
        return self._context

    def close(self) -> None:
        """Accept no more; what is connected stays."""
        if self._server is not None:
            self._server.close()
        self._socket.close()

    def session(self, transport: asyncio.Transport) -> Session:
        """Who came. Raises ForeignCertificate."""
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if peer else ""
        principal = ANONYMOUS
        if self.config.sasl is not None:
            return self._unproved(host, self.config.sasl)
        if self._context is not None:
            principal = principal_from_certificate(
                transport.get_extra_info("peercert"), cluster_id=self.cluster_id
            )
        return Session(listener=self.config.name, principal=principal, client_host=host)

    def _unproved(self, host: str, sasl: SaslConfig) -> Session:
        """A session that may do nothing but prove who it is."""
        assert self._broker is not None, "sessions begin once the listener is open"
        session = Session(
            listener=self.config.name, principal=ANONYMOUS, client_host=host, is_authenticated=False
        )
        session.guard = SaslExchange(
            self._broker,
            session,
            sasl.mechanisms,
            secret=self._sasl_secret,
            delays=self._delays,
        )
        return session


class Connections:
    """All connections of the process, counted against one limit, and what they share."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._connections_max = limits.connections_max
        self._open: set[Connection] = set()
        self._reserved = 0  # in their TLS handshake, or before it
        self.budget = ResponseBudget(limits.response_bytes_max)
        self.warnings = LogLimit(loop.time)
        self.handshakes = HandshakeQueue(
            loop,
            under_way_max=limits.handshakes_max,
            waiting_max=limits.handshakes_waiting_max,
        )

    def __len__(self) -> int:
        return len(self._open)

    def reserve(self) -> bool:
        """Keep a place for a connection before its handshake; False: there is none."""
        if len(self._open) + self._reserved >= self._connections_max:
            return False
        self._reserved += 1
        return True

    def release(self) -> None:
        """The handshake has ended, one way or the other."""
        self._reserved -= 1

    def add(self, connection: Connection) -> bool:
        """False: there are too many already."""
        if len(self._open) >= self._connections_max:
            return False
        self._open.add(connection)
        return True

    def remove(self, connection: Connection) -> None:
        self._open.discard(connection)

    def shrink_idle(self) -> None:
        """Give back buffers that a burst had made large."""
        for connection in self._open:
            connection.shrink_if_idle()

    def look_at_idle(self, now_ms: int, idle_ms_max: int) -> None:
        """Close what nobody uses and what nobody takes; called every few seconds."""
        for connection in list(self._open):
            connection.look_at_idle(now_ms, idle_ms_max)

    def close_all(self) -> None:
        self.handshakes.close()
        for connection in list(self._open):
            connection.close()


def bound_socket(config: ListenerConfig) -> socket.socket:
    """Raises ListenerRefused, which names address and port."""
    family = socket.AF_INET6 if ":" in config.bind else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((config.bind, config.port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        where = f"{config.bind}:{config.port}"
        if error.errno == errno.EADDRINUSE:
            raise ListenerRefused(
                f"port {config.port} on {config.bind} is taken by another process; stop it or "
                "choose another port"
            ) from error
        raise ListenerRefused(f"cannot listen on {where}: {error.strerror}") from error
    made.setblocking(False)
    return made
