"""The power goes: what was not synced is lost or torn, and the machine boots again."""

import random
from typing import ClassVar

from tests.chaos.rig import Rig


class PowerLoss:
    name: ClassVar[str] = "power-loss"

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._broker = rig.any_broker(rng)
        self._rng = rng
        self.seconds = rng.uniform(0, min(1.0, seconds_max))

    def begin(self) -> str:
        lost = self._broker.lose_power(self._rng)
        told = ", ".join(f"{what} {count}" for what, count in sorted(lost.items()))
        return f"broker {self._broker.index}: {told}"

    def end(self) -> None:
        self._broker.start()
