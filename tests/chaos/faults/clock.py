"""The wall clock of a broker jumps, forward or back, and is set right again."""

import random
from collections.abc import Sequence
from typing import ClassVar

from tests.chaos.rig import Rig

HOUR_MS = 3_600_000
JUMPS_MS = (HOUR_MS, -HOUR_MS, 365 * 24 * HOUR_MS, -365 * 24 * HOUR_MS, 60_000, -60_000)


class ClockJump:
    name: ClassVar[str] = "clock"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._broker = rig.any_broker(rng)
        self._jump_ms = rng.choice(JUMPS_MS)
        self.seconds = rng.uniform(0.5, max(0.5, seconds_max))

    def begin(self) -> str:
        self._broker.set_clock(self._jump_ms)
        return f"broker {self._broker.index} by {self._jump_ms} ms"

    def end(self) -> None:
        self._broker.set_clock(0)
