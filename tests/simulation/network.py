"""A network between nodes that loses, repeats, delays and reorders, and is cut in every way."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from tests.simulation.clock import Schedule

Node = TypeVar("Node", bound=Hashable)
Deliver = Callable[[bytes], None]


@dataclass(slots=True)
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

    clogged: direction -> until when it holds everything back, to deliver it all then.
    slow: direction -> by how many milliseconds, on average, it is slower than the weather.
    """

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self.weather = Weather()
        self.cut: set[tuple[Node, Node]] = set()
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
        if receiver is None or (source, target) in self.cut:
            self.lost += 1
            return
        held_ms = self.held_ms((source, target))
        if held_ms:
            self._schedule.after(held_ms, lambda: self._arrive(source, target, frame))
            return
        receiver(frame)

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

    # Ways that are not cut.

    def clog(self, ways: Iterable[tuple[Node, Node]], ms: int) -> None:
        """Hold back what passes there, for so long from now."""
        until_ms = self._schedule.now_ms + ms
        for way in ways:
            self.clogged[way] = max(until_ms, self.clogged.get(way, 0))

    def heal(self) -> None:
        self.cut.clear()
        self.clogged.clear()
        self.slow.clear()
        self.weather = Weather()
