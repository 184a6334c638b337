"""kill -9 of a broker, and a new process after a while."""

import random
from typing import ClassVar

from tests.chaos.rig import Rig


class Kill:
    name: ClassVar[str] = "kill"

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._broker = rig.any_broker(rng)
        self.seconds = rng.uniform(0, seconds_max) * rng.choice([0, 0.2, 1])

    def begin(self) -> str:
        self._broker.kill()
        return f"broker {self._broker.index}"

    def end(self) -> None:
        self._broker.start()
