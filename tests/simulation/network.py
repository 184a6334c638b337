"""A network between nodes that loses, repeats, delays and reorders, and is cut in every way."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from tests.simulation.clock import Schedule

Node = TypeVar("Node", bound=Hashable)
Deliver = Callable[[bytes], None]

RING_ONE_WAY_MAX = 3


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad it is. Rates per message; delays in milliseconds.

    stale_rate: a message is held back for up to `stale_ms_max` and comes behind later ones, as
    what was in an old connection does after a new one is in use (KIP-890).
    """

    loss_rate: float = 0.0
    duplicate_rate: float = 0.0
    delay_ms_mean: float = 1.0
    stale_rate: float = 0.0
    stale_ms_max: int = 3_000


class SimulatedNetwork(Generic[Node]):
    """Frames between named nodes; `cut` holds the directions that nothing passes.

    weather: now; calm: what it is again when a worse one is over.
    cut_for_frames: as `cut`, for what the quorum sends and for no connection.
    clogged: direction -> until when it holds everything back, to deliver it all then.
    slow: direction -> by how many milliseconds, on average, it is slower than the weather.
    """

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self.weather = self.calm = Weather()
        self.cut: set[tuple[Node, Node]] = set()
        self.cut_for_frames: set[tuple[Node, Node]] = set()
        self.clogged: dict[tuple[Node, Node], int] = {}
        self.slow: dict[tuple[Node, Node], float] = {}
        self.held = self.sent = self.lost = self.repeated = self.stale = 0
        self._schedule = schedule
        self._rng = rng
        self._receivers: dict[Node, Deliver] = {}

    def attach(self, node: Node, deliver: Deliver) -> None:
        """Frames for the node go there from now on, those under way too."""
        self._receivers[node] = deliver

    def detach(self, node: Node) -> None:
        """The node is down: what arrives is lost."""
        self._receivers.pop(node, None)

    def send(self, source: Node, target: Node, frame: bytes) -> None:
        self.sent += 1
        rng, weather = self._rng, self.weather
        if rng.random() < weather.loss_rate:
            self.lost += 1
            return
        copies = 1 + (rng.random() < weather.duplicate_rate)
        self.repeated += copies - 1
        for _ in range(copies):
            delay_ms = int(rng.expovariate(1 / self.delay_ms_mean((source, target))))
            if rng.random() < weather.stale_rate:
                self.stale += 1
                delay_ms += rng.randrange(weather.stale_ms_max)
            self._schedule.after(delay_ms, lambda: self._arrive(source, target, frame))

    def _arrive(self, source: Node, target: Node, frame: bytes) -> None:
        receiver = self._receivers.get(target)
        if receiver is None or self.is_cut((source, target)):
            self.lost += 1
            return
        held_ms = self.held_ms((source, target))
        if held_ms:
            self._schedule.after(held_ms, lambda: self._arrive(source, target, frame))
            return
        receiver(frame)

    def is_cut(self, way: tuple[Node, Node]) -> bool:
        """Nothing of the quorum passes there."""
        return way in self.cut or way in self.cut_for_frames

    def delay_ms_mean(self, way: tuple[Node, Node]) -> float:
        return self.weather.delay_ms_mean + (self.slow.get(way, 0.0) if self.slow else 0.0)

    def held_ms(self, way: tuple[Node, Node]) -> int:
        """How long what has come to the end of a way has to wait there still."""
        if not self.clogged:
            return 0
        held_ms = max(0, self.clogged.get(way, 0) - self._schedule.now_ms)
        self.held += held_ms > 0
        return held_ms

    # Cuts.

    def cut_both_ways(self, some: set[Node], others: set[Node]) -> None:
        self.cut_one_way(some, others)
        self.cut_one_way(others, some)

    def cut_one_way(self, sources: set[Node], targets: set[Node]) -> None:
        self.cut |= {(a, b) for a in sources for b in targets if a != b}

    def cut_to_bridge(self, nodes: list[Node], bridge: Node) -> None:
        """Two halves that only one node can talk to."""
        others = [node for node in nodes if node != bridge]
        half = len(others) // 2
        self.cut_both_ways(set(others[:half]), set(others[half:]))

    def cut_to_ring(self, ring: list[Node]) -> None:
        """Each sees a majority, no two the same one: itself and who is beside it in the ring.

        Of three everybody is beside everybody: each hears one of them and is heard by the other.
        """
        count = len(ring)
        for at, node in enumerate(ring):
            beside = {(at + 1) % count} if count <= RING_ONE_WAY_MAX else {at - 1, (at + 1) % count}
            near = {ring[one] for one in beside} | {node}
            self.cut_one_way(set(ring) - near, {node})

    # Ways that are not cut.

    def clog(self, ways: Iterable[tuple[Node, Node]], ms: int) -> None:
        """Hold back what passes there, for so long from now."""
        until_ms = self._schedule.now_ms + ms
        for way in ways:
            self.clogged[way] = max(until_ms, self.clogged.get(way, 0))

    def clears_up(self) -> None:
        self.weather = self.calm

    def heal(self) -> None:
        self.cut.clear()
        self.cut_for_frames.clear()
        self.clogged.clear()
        self.slow.clear()
        self.weather = self.calm = Weather()
