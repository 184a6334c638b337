"""The network between clients and a broker is slow, or delivers late what was sent first."""

import random
import time
from collections.abc import Sequence
from typing import ClassVar

from tests.chaos.networks import Relays
from tests.chaos.rig import NotRun, Rig

HOLD_SECONDS = 0.3  # of requests that pile up before the clients' connections break
DELAYS_MS = (20, 50, 100, 200)


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
