"""A network between nodes that loses, repeats, delays and reorders, and is cut in every way."""

from collections.abc import Callable, Hashable
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
    """Frames between named nodes; `cut` holds the directions that nothing passes."""

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self.weather = Weather()
        self.cut: set[tuple[Node, Node]] = set()
        self.sent = self.lost = self.repeated = self.stale = 0
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
            delay_ms = int(rng.expovariate(1 / weather.delay_ms_mean))
            if rng.random() < weather.stale_rate:
                self.stale += 1
                delay_ms += rng.randrange(weather.stale_ms_max)
            self._schedule.after(delay_ms, lambda: self._arrive(source, target, frame))

    def _arrive(self, source: Node, target: Node, frame: bytes) -> None:
        receiver = self._receivers.get(target)
        if receiver is None or (source, target) in self.cut:
            self.lost += 1
            return
        receiver(frame)

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

    def heal(self) -> None:
        self.cut.clear()
        self.weather = Weather()
