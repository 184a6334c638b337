"""The network between clients and a broker: cut, slow, or delivering late what was sent first."""

import random
import time
from collections.abc import Sequence
from typing import ClassVar

from tests.chaos.networks import Namespaces, Relays
from tests.chaos.rig import NotRun, Rig
from tests.chaos.targets import one_victim

HOLD_SECONDS = 0.3  # of requests that pile up before the clients' connections break
DELAYS_MS = (20, 50, 100, 200)
# Cut off both ways; its own packets vanish; the others' packets to it vanish; from one other only.
SHAPES = ("isolated", "mute", "deaf", "bridge")


class Cut:
    """Two-way, or one-way in either direction; packets vanish, no connection is closed."""

    name: ClassVar[str] = "cut"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        if not isinstance(rig.network, Namespaces):
            raise NotRun("needs network namespaces")
        self._network = rig.network
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
    """The brokers lose each other, while clients still reach all of them.

    One is cut from the others, both ways or one; or two from each other, with the third as bridge.
    """

    name: ClassVar[str] = "peer-cut"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        rig.require_brokers(3)
        if not isinstance(rig.network, Namespaces):
            raise NotRun("needs network namespaces")
        self._rig = rig
        self._network = rig.network
        self._rng = rng
        self._shape = rng.choice(SHAPES)
        self.seconds = rng.uniform(0.5, max(0.5, seconds_max))

    def begin(self) -> str:
        role = self._rng.choice(["leader", "follower", "controller"])
        victim = one_victim(self._rig, self._rng, role).index
        others = [broker.index for broker in self._rig.brokers if broker.index != victim]
        if self._shape == "bridge":
            others = others[:1]
        for other in others:
            if self._shape != "deaf":
                self._network.cut_between(victim, other)
            if self._shape != "mute":
                self._network.cut_between(other, victim)
        return f"{role} {victim}, {self._shape}"

    def end(self) -> None:
        self._network.heal()


class Delay:
    """Every packet takes longer."""

    name: ClassVar[str] = "delay"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        if not isinstance(rig.network, Relays):
            raise NotRun("needs relays")
        self._network = rig.network
        self._index = rng.randrange(len(rig.brokers))
        self._delay_ms = rng.choice(DELAYS_MS)
        self.seconds = rng.uniform(0.5, max(0.5, seconds_max))

    def begin(self) -> str:
        self._network.tell(self._index, delay_ms=self._delay_ms)
        return f"broker {self._index} by {self._delay_ms} ms"

    def end(self) -> None:
        self._network.tell(self._index, delay_ms=0)


class StaleConnection:
    """Requests under way are delivered after the client has repeated them on a new connection."""

    name: ClassVar[str] = "stale"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        if not isinstance(rig.network, Relays):
            raise NotRun("needs relays")
        self._network = rig.network
        self._index = rng.randrange(len(rig.brokers))
        self.seconds = rng.uniform(0.5, max(0.5, seconds_max))

    def begin(self) -> str:
        self._network.tell(self._index, hold=True)
        time.sleep(HOLD_SECONDS)
        self._network.tell(self._index, cut=True)
        return f"broker {self._index}"

    def end(self) -> None:
        self._network.tell(self._index, hold=False)
