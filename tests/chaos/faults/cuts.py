"""The network is cut, by roles and shapes: packets vanish, no connection is closed.

With three brokers "a ring of majorities" and a bridge are one shape: two have lost each other and
the third sees both. The ring here is harder: each broker is heard by one other and hears one.
"""

import random
from collections.abc import Iterator, Sequence
from typing import ClassVar

from tests.chaos.networks import Namespaces
from tests.chaos.rig import NotRun, Rig
from tests.chaos.targets import one_victim

LOSS_SHARE = 0.2
ROLES = ("leader", "follower", "controller")
Link = tuple[int, int]  # packets from the first broker to the second


def namespaces_of(rig: Rig) -> Namespaces:
    """Raises NotRun where there is nothing that could be cut."""
    if not isinstance(rig.network, Namespaces):
        raise NotRun("needs network namespaces")
    return rig.network


class Cut:
    """Clients lose one broker: two-way, or one-way in either direction."""

    name: ClassVar[str] = "cut"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._network = namespaces_of(rig)
        self._index = rng.randrange(len(rig.brokers))
        self._to, self._from = rng.choice([(True, True), (True, False), (False, True)])
        self.seconds = rng.uniform(0.5, max(0.5, seconds_max))

    def begin(self) -> str:
        self._network.cut(self._index, to_broker=self._to, from_broker=self._from)
        ways = {(True, True): "both ways", (True, False): "to it", (False, True): "from it"}
        return f"broker {self._index}, {ways[self._to, self._from]}"

    def end(self) -> None:
        self._network.heal()


class PeerCut:
    """The brokers lose each other, while clients still reach all of them."""

    name: ClassVar[str] = "peer-cut"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        rig.require_brokers(3)
        self._rig = rig
        self._network = namespaces_of(rig)
        self._rng = rng
        self._role = rng.choice(ROLES)
        self.seconds = rng.uniform(0.5, max(0.5, seconds_max))

    def begin(self) -> str:
        victim = one_victim(self._rig, self._rng, self._role).index
        others = [broker.index for broker in self._rig.brokers if broker.index != victim]
        for one, other in self.links(victim, others):
            self._network.cut_between(one, other)
        return f"{self._role} {victim}"

    def links(self, victim: int, others: Sequence[int]) -> Iterator[Link]:
        raise NotImplementedError

    def end(self) -> None:
        self._network.heal()


class Isolated(PeerCut):
    """One is cut off from the other two, both ways."""

    name: ClassVar[str] = "isolated"

    def links(self, victim: int, others: Sequence[int]) -> Iterator[Link]:
        for other in others:
            yield victim, other
            yield other, victim


class Mute(PeerCut):
    """Its own packets to the others vanish; it hears them."""

    name: ClassVar[str] = "mute"

    def links(self, victim: int, others: Sequence[int]) -> Iterator[Link]:
        yield from ((victim, other) for other in others)


class Deaf(PeerCut):
    """The others' packets to it vanish; they hear it."""

    name: ClassVar[str] = "deaf"

    def links(self, victim: int, others: Sequence[int]) -> Iterator[Link]:
        yield from ((other, victim) for other in others)


class Bridge(PeerCut):
    """Two lose each other; the third sees both."""

    name: ClassVar[str] = "bridge"

    def links(self, victim: int, others: Sequence[int]) -> Iterator[Link]:
        yield victim, others[0]
        yield others[0], victim


class Ring(PeerCut):
    """Each is heard by the next one only."""

    name: ClassVar[str] = "ring"

    def links(self, victim: int, others: Sequence[int]) -> Iterator[Link]:
        first, second = others
        yield from ((first, victim), (second, first), (victim, second))


class Island(Isolated):
    """One is cut off from everybody, clients too."""

    name: ClassVar[str] = "island"

    def links(self, victim: int, others: Sequence[int]) -> Iterator[Link]:
        self._network.cut(victim, to_broker=True, from_broker=True)
        yield from super().links(victim, others)


class Loss:
    """A fifth of the packets of every broker vanish."""

    name: ClassVar[str] = "loss"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._network = namespaces_of(rig)
        self.seconds = rng.uniform(0.5, max(0.5, seconds_max))

    def begin(self) -> str:
        self._network.lose_packets(LOSS_SHARE)
        return "all"

    def end(self) -> None:
        self._network.heal()
