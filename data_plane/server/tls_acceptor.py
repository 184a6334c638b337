"""Accepts TLS connections: waits until the client speaks, then until a handshake may begin.

A client that connects and says nothing costs a descriptor and a timer, no TLS state. Failed
handshakes are logged with the peer and the reason, which asyncio's own server keeps to itself.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from data_plane.server.handshake_queue import HandshakeQueue
from data_plane.server.log_limit import LogLimit

ACCEPTS_PER_TURN_MAX = 64
QUEUED_S_MAX = 30.0  # clients give up by then
RETRY_S = 0.5  # after accept failed for want of descriptors


class Room(Protocol):
    """The limit of connections, those included that are not through their handshake yet."""

    def reserve(self) -> bool:
        """False: there is no room for one more."""

    def release(self) -> None: ...


class Pace(Protocol):
    """How fast connections may come (KIP-612)."""

    def accept_wait_ms(self) -> int:
        """How long not to accept; 0: the next may come."""

    def refused_ms(self, host: str) -> int:
        """Count a connection; above 0: `host` comes too fast, close it after that time."""


class TlsAcceptor:
    """One listening socket with TLS. context: asked anew for each, so that reloads take effect."""

    def __init__(
        self,
        name: str,
        listening: socket.socket,
        loop: asyncio.AbstractEventLoop,
        *,
        context: Callable[[], ssl.SSLContext],
        protocol: Callable[[], asyncio.BaseProtocol],
        room: Room,
        pace: Pace,
        queue: HandshakeQueue,
        warnings: LogLimit,
        handshake_s_max: float,
    ) -> None:
        self._name = name
        self._listening = listening
        self._loop = loop
        self._context = context
        self._protocol = protocol
        self._room = room
        self._pace = pace
        self._queue = queue
        self._warnings = warnings
        self._handshake_s_max = handshake_s_max
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}  # before their handshake
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = False

    def open(self) -> None:
        self._is_open = True
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Accept no more, and drop who is not through."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._listening)
        for client in list(self._silent):
            self._drop(client)
        for task in self._tasks:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN_MAX):
            if wait_ms := self._pace.accept_wait_ms():
                self._pause(wait_ms / 1000)
                return
            try:
                client, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._warnings.warn("listener %s cannot accept: %s", self._name, error)
                self._pause(RETRY_S)
                return
            client.setblocking(False)
            peer = str(address[0])
            held_ms = self._pace.refused_ms(peer)
            if not self._room.reserve():
                client.close()
                self._warnings.warn("too many connections: %s on %s refused", peer, self._name)
            elif held_ms:
                self._hold(client, peer, held_ms)
            else:
                self._wait(client, peer)

    def _pause(self, seconds: float) -> None:
        """The socket stays readable meanwhile: asking again at once would spin."""
        self._loop.remove_reader(self._listening)
        self._loop.call_later(seconds, self._resume)

    def _hold(self, client: socket.socket, peer: str, held_ms: int) -> None:
        """Closed at once, it would be back at once."""
        self._silent[client] = self._loop.call_later(
            held_ms / 1000, self._give_up, client, peer, "comes too often for its quota"
        )

    def _resume(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._listening, self._accept)

    def _wait(self, client: socket.socket, peer: str) -> None:
        self._silent[client] = self._loop.call_later(
            self._handshake_s_max, self._give_up, client, peer, "did not begin TLS in time"
        )
        self._loop.add_reader(client, self._spoke, client, peer)

    def _spoke(self, client: socket.socket, peer: str) -> None:
        self._loop.remove_reader(client)
        self._silent[client].cancel()
        self._silent[client] = self._loop.call_later(
            QUEUED_S_MAX, self._give_up, client, peer, "waited for a handshake too long"
        )
        if not self._queue.add(lambda: self._begin(client, peer)):
            self._warnings.warn("too many TLS handshakes: %s on %s refused", peer, self._name)
            self._drop(client)

    def _give_up(self, client: socket.socket, peer: str, why: str) -> None:
        self._warnings.warn("closing connection from %s on %s: it %s", peer, self._name, why)
        self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self._silent.pop(client).cancel()
        self._loop.remove_reader(client)
        client.close()
        self._room.release()

    def _begin(self, client: socket.socket, peer: str) -> None:
        timer = self._silent.pop(client, None)
        if timer is None:
            self._queue.ended()  # It was dropped while it waited.
            return
        timer.cancel()
        task = self._loop.create_task(self._shake_hands(client, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shake_hands(self, client: socket.socket, peer: str) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._protocol,
                client,
                ssl=self._context(),
                ssl_handshake_timeout=self._handshake_s_max,
            )
        except OSError as error:  # SSLError and everything a connection can die of
            self._warnings.warn("TLS handshake of %s on %s: %s", peer, self._name, reason_of(error))
        finally:
            self._queue.ended()
            self._room.release()


def reason_of(error: OSError) -> str:
    """What went wrong, in OpenSSL's words, without the source line they come with."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"client certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return str(error) or type(error).__name__
