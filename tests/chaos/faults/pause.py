"""SIGSTOP and SIGCONT: a process that is there and does nothing, then goes on as if nothing was."""

import random
from collections.abc import Sequence
from typing import ClassVar

from tests.chaos.rig import Rig
from tests.chaos.targets import choose_victims

SECONDS_MIN = 0.2


class Pause:
    name: ClassVar[str] = "pause"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._rig = rig
        self._rng = rng
        self.seconds = rng.uniform(SECONDS_MIN, max(SECONDS_MIN, seconds_max))

    def begin(self) -> str:
        role, self._victims = choose_victims(self._rig, self._rng)
        for broker in self._victims:
            broker.pause()
        return f"{role}: {' '.join(str(broker.index) for broker in self._victims)}"

    def end(self) -> None:
        for broker in self._victims:
            broker.resume()
