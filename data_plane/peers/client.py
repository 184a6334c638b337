"""The asyncio side of `Peers`: connections to other brokers, made when first needed."""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from data_plane.peers.addresses import AddressRefused, host_and_port, unix_path
from data_plane.peers.connection import PeerConnection
from data_plane.peers.silence import CONNECT_S_MAX
from data_plane.peers.wire import channel_of
from data_plane.replication.peers import OnReply, PeerLost

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0  # how often deadlines are looked at
WAITING_MAX: Final = 10_000  # requests that wait for one connection to be made

AskSelf = Callable[[object, OnReply], None]


class PeerClient:
    """Peers over sockets; used on the loop's thread only.

    address_of: where a broker's internal listener is, as the image says; None: nowhere.
    level_of: which level of `ottla.version` this broker and that one both speak, as it says.
    ask_self: answers what a broker asks of itself. on_turn: ends the turn that answers began.
    """

    def __init__(
        self,
        broker_id: int,
        *,
        loop: asyncio.AbstractEventLoop,
        address_of: Callable[[int], str | None],
        level_of: Callable[[int], int],
        ask_self: AskSelf,
        on_turn: Callable[[], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._broker_id = broker_id
        self._loop = loop
        self._address_of = address_of
        self._level_of = level_of
        self._ask_self = ask_self
        self._on_turn = on_turn
        self._tls = tls
        self._links: dict[tuple[int, str], PeerLink] = {}
        self._looking: asyncio.TimerHandle | None = None
        self._is_closed = False

    def request(
        self, broker_id: int, request: object, on_reply: OnReply, *, timeout_ms: int
    ) -> None:
        if broker_id == self._broker_id:
            self._later(lambda: self._ask_self(request, on_reply))
            return
        address = self._address_of(broker_id)
        if address is None or self._is_closed:
            self._later(lambda: on_reply(PeerLost(f"broker {broker_id} is nowhere")))
            return
        key = (broker_id, channel_of(request))
        link = self._links.get(key)
        if link is None or link.address != address:
            if link is not None:
                link.close("the broker has moved")
            link = self._links[key] = PeerLink(
                address,
                self._loop,
                self._tls,
                self._on_turn,
                level=lambda: self._level_of(broker_id),
            )
        link.ask(request, on_reply, self._loop.time() + timeout_ms / 1000)
        if self._looking is None:
            self._looking = self._loop.call_later(LOOK_S, self._look)

    def forget(self, broker_id: int) -> None:
        """What is asked from now on goes over new connections."""
        for key in [key for key in self._links if key[0] == broker_id]:
            self._loop.call_soon(self._end, self._links.pop(key))

    def _end(self, link: "PeerLink") -> None:
        link.close("the broker has begun anew")
        if not self._is_closed:
            self._on_turn()

    def close(self) -> None:
        """The broker stops: what is under way is lost."""
        self._is_closed = True
        if self._looking is not None:
            self._looking.cancel()
        for link in self._links.values():
            link.close("this broker stops")

    def _look(self) -> None:
        now_s = self._loop.time()
        for link in list(self._links.values()):
            link.look_at_deadlines(now_s)
        self._looking = self._loop.call_later(LOOK_S, self._look)

    def _later(self, act: Callable[[], None]) -> None:
        def run() -> None:
            if not self._is_closed:
                act()
                self._on_turn()

        self._loop.call_soon(run)


class PeerLink:
    """One channel to one broker: a connection, or the attempt to make one."""

    def __init__(
        self,
        address: str,
        loop: asyncio.AbstractEventLoop,
        tls: ssl.SSLContext | None,
        on_turn: Callable[[], None],
        *,
        level: Callable[[], int],
    ) -> None:
        self.address = address
        self._level = level  # asked for each request: the other broker may be a newer one by now
        self._loop = loop
        self._tls = tls
        self._on_turn = on_turn
        self._connection: PeerConnection | None = None
        self._waiting: deque[tuple[object, OnReply, float]] = deque()
        self._connecting: asyncio.Task[None] | None = None

    def ask(self, request: object, on_reply: OnReply, deadline_s: float) -> None:
        if self._connection is not None:
            self._connection.ask(request, on_reply, deadline_s, self._level())
        elif len(self._waiting) >= WAITING_MAX:
            self._loop.call_soon(on_reply, PeerLost("too much waits for a connection"))
        else:
            self._waiting.append((request, on_reply, deadline_s))
            if self._connecting is None:
                self._connecting = self._loop.create_task(self._connect())

    def look_at_deadlines(self, now_s: float) -> None:
        if self._connection is not None:
            self._connection.look_at_deadlines(now_s)

    def close(self, reason: str) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self._connection is not None:
            self._connection.close(reason)
        self._fail(reason)

    async def _connect(self) -> None:
        made = PeerConnection(self._on_turn, self._lost)
        try:
            await asyncio.wait_for(self._open(made), CONNECT_S_MAX)
        except (OSError, TimeoutError, AddressRefused) as error:
            self._connecting = None
            log.debug("no connection to %s: %s", self.address, error)
            self._fail(f"{self.address}: {error}")
            self._on_turn()
            return
        self._connecting = None
        if made.is_lost:
            # Broken before anybody had it: who closes it now would not be told again.
            self._fail(f"{self.address}: closed at once")
            self._on_turn()
            return
        self._connection = made
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            made.ask(*one, self._level())

    async def _open(self, made: PeerConnection) -> None:
        path = unix_path(self.address)
        if path is not None:
            await self._loop.create_unix_connection(lambda: made, path)
            return
        if self._tls is None:
            raise AddressRefused("between nodes TLS is needed, and none is configured")
        host, port = host_and_port(self.address)
        await self._loop.create_connection(lambda: made, host, port, ssl=self._tls)

    def _lost(self) -> None:
        self._connection = None

    def _fail(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for _, on_reply, _ in waiting:
            with suppress(Exception):
                on_reply(PeerLost(reason))
