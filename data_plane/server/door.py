"""Lets connections in, one by one, and sees them out."""

import asyncio
import socket
from typing import Protocol

from data_plane.broker.dispatch import Session
from data_plane.security.certificates import ForeignCertificate
from data_plane.server.connection import Connection
from data_plane.server.log_limit import LogLimit
from data_plane.server.response_budget import ResponseBudget

KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))  # seconds, count


class Entrance(Protocol):
    """The listener that a connection came by."""

    @property
    def name(self) -> str: ...

    def session(self, transport: asyncio.Transport) -> Session:
        """Who came. Raises ForeignCertificate."""


class Room(Protocol):
    """All connections of the process."""

    @property
    def budget(self) -> ResponseBudget: ...

    @property
    def warnings(self) -> LogLimit: ...

    def add(self, connection: Connection) -> bool:
        """False: there are too many already."""

    def remove(self, connection: Connection) -> None: ...


class Pace(Protocol):
    """How fast connections may come; server/listener_pace.py."""

    def refused_ms(self, host: str) -> int: ...
    def accepted_until_ms(self) -> int: ...


class Door:
    """One connection's way in by one listener.

    pace: None where whoever accepts connections has asked it already.
    """

    def __init__(self, entrance: Entrance, room: Room, pace: Pace | None) -> None:
        self._entrance = entrance
        self._room = room
        self._pace = pace

    @property
    def budget(self) -> ResponseBudget:
        return self._room.budget

    def enter(self, connection: Connection, transport: asyncio.Transport) -> Session | None:
        """The session of a connection that may stay, else None."""
        peer = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._room.add(connection):
            self._warn("too many connections: %s on %s refused", peer)
            transport.abort()
            return None
        if self._pace is not None and (held_ms := self._pace.refused_ms(peer)):
            self._warn("%s on %s comes too often for its quota", peer)
            self._hold(connection, transport, held_ms)
            return None
        tune(transport)  # Brokers' own entrance is stricter behind it.
        try:
            session = self._entrance.session(transport)
        except ForeignCertificate as error:
            self._room.warnings.warn("connection on %s refused: %s", self._entrance.name, error)
            self._room.remove(connection)
            transport.abort()
            return None
        if self._pace is not None:
            session.throttle.until_ms = self._pace.accepted_until_ms()
        return session

    def leave(self, connection: Connection) -> None:
        self._room.remove(connection)

    def _hold(self, connection: Connection, transport: asyncio.Transport, held_ms: int) -> None:
        """Closed at once, it would be back at once. Meanwhile it keeps its place in the room."""

        def give_up() -> None:
            self._room.remove(connection)
            transport.abort()

        transport.pause_reading()
        asyncio.get_running_loop().call_later(held_ms / 1000, give_up)

    def _warn(self, text: str, peer: str) -> None:
        self._room.warnings.warn(text, peer, self._entrance.name)


def tune(transport: asyncio.Transport) -> None:
    """Replies are whole, so nothing is gained by waiting for more; and find dead peers."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if hasattr(socket, name):  # macOS names one of them otherwise and keeps its default.
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
