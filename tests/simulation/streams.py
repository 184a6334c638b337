"""Connections as TCP makes them: in order, never twice, late; a cut or a clogged way holds up what
is under way.

An end that closes takes nothing back: what it had sent still arrives, perhaps long after its next
connection is in use (KIP-890).
"""

from collections import deque
from collections.abc import Callable
from random import Random

from tests.simulation.clock import Schedule
from tests.simulation.network import SimulatedNetwork

RETRANSMISSION_MS = 200
Node = int


class Streams:
    """All connections of a world; `ways` is the quorum's network, whose ways they go too."""

    def __init__(self, schedule: Schedule, rng: Random, ways: SimulatedNetwork[Node]) -> None:
        self.schedule = schedule
        self.ways = ways
        self.opened = self.held = self.stale = 0
        self._rng = rng
        self._accept: dict[Node, Callable[[Connection], None]] = {}
        self.blocked: set[tuple[Node, Node]] = set()  # for connections, and not for the quorum
        self._pipes: dict[tuple[Node, Node], list[Pipe]] = {}

    def listen(self, node: Node, accept: Callable[["Connection"], None]) -> None:
        """accept: sets the connection's `on_server`; connections to who does not are refused."""
        self._accept[node] = accept

    def unlisten(self, node: Node) -> None:
        self._accept.pop(node, None)

    def connect(self, client: Node, server: Node, on_client: "Take") -> "Connection":
        """on_client: gets the server's frames in order, then None when there is no more."""
        self.opened += 1
        return Connection(self, client, server, on_client)

    def accept(self, connection: "Connection") -> bool:
        accept = self._accept.get(connection.server)
        if accept is not None:
            accept(connection)
        return accept is not None

    def stick(self, client: Node, server: Node, ms: int) -> None:
        """What is asked on connections of now, or will be, is held up; new ones are not."""
        until_ms = self.schedule.now_ms + ms
        for pipe in self._pipes.get((client, server), ()):
            pipe.stuck_until_ms = max(pipe.stuck_until_ms, until_ms)

    def note(self, pipe: "Pipe", way: tuple[Node, Node]) -> None:
        """A connection was opened; this is its way there."""
        known = [one for one in self._pipes.get(way, ()) if not one.is_ended]
        self._pipes[way] = [*known, pipe]

    def delay_ms(self, way: tuple[Node, Node]) -> int:
        """Of one frame: a lost segment is sent again, and all behind it wait."""
        weather, rng = self.ways.weather, self._rng
        delay_ms = int(rng.expovariate(1 / self.ways.delay_ms_mean(way)))
        while rng.random() < weather.loss_rate:
            delay_ms += RETRANSMISSION_MS
        if rng.random() < weather.stale_rate:
            self.stale += 1
            delay_ms += rng.randrange(weather.stale_ms_max)
        return delay_ms


Take = Callable[[bytes | None], None]


class Pipe:
    """One direction of a connection. None among the frames: nothing comes behind it."""

    def __init__(self, streams: Streams, source: Node, target: Node) -> None:
        self.take: Take = lambda _: None
        self._streams = streams
        self._way = (source, target)
        self._frames: deque[bytes | None] = deque()
        self._due_ms = 0
        self.is_ended = False
        self.stuck_until_ms = 0

    def send(self, frame: bytes | None) -> None:
        if self.is_ended:
            return
        self.is_ended = frame is None
        self._frames.append(frame)
        now_ms = self._streams.schedule.now_ms
        self._due_ms = max(self._due_ms, now_ms + self._streams.delay_ms(self._way))
        self._streams.schedule.after(self._due_ms - now_ms, self._arrive)

    def _arrive(self) -> None:
        ways = self._streams.ways
        is_cut = self._way in ways.cut or self._way in self._streams.blocked
        held_ms = RETRANSMISSION_MS if is_cut else ways.held_ms(self._way)
        if held_ms:
            self._streams.held += 1
            self._streams.schedule.after(held_ms, self._arrive)
            return
        stuck_ms = self.stuck_until_ms - self._streams.schedule.now_ms
        if stuck_ms > 0:
            self._streams.schedule.after(stuck_ms, self._arrive)
            return
        self.take(self._frames.popleft())


class Connection:
    """A way there and a way back; whoever has accepted it has set `on_server`."""

    def __init__(self, streams: Streams, client: Node, server: Node, on_client: Take) -> None:
        self.client, self.server = client, server
        self.on_server: Take | None = None
        self._streams = streams
        self._is_refused = False
        self._there = Pipe(streams, client, server)
        self._back = Pipe(streams, server, client)
        self._there.take = self._at_server
        streams.note(self._there, (client, server))
        self._back.take = on_client

    def ask(self, frame: bytes) -> None:
        self._there.send(frame)

    def answer(self, frame: bytes) -> None:
        self._back.send(frame)

    def hang_up(self) -> None:
        """The client goes; its frames that are under way arrive all the same."""
        self._back.take = lambda _: None
        self._there.send(None)

    def reset(self) -> None:
        """The server goes, or has no such connection: the client hears of it."""
        self._is_refused = True
        self._back.send(None)

    def vanish(self) -> None:
        """The server's machine is gone: nobody says a word until it is asked again."""
        self.on_server = lambda frame: None if frame is None else self.reset()

    def _at_server(self, frame: bytes | None) -> None:
        if self._is_refused:
            return
        if self.on_server is None and not (frame is not None and self._streams.accept(self)):
            self.reset()
            return
        assert self.on_server is not None, "who accepts says who takes"
        self.on_server(frame)
