"""SIGSTOP and SIGCONT: a process that is there and does nothing, then goes on as if nothing was."""

import random
from typing import ClassVar

from tests.chaos.rig import Rig

SECONDS_MIN = 0.2


class Pause:
    name: ClassVar[str] = "pause"

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._broker = rig.any_broker(rng)
        self.seconds = rng.uniform(SECONDS_MIN, max(SECONDS_MIN, seconds_max))

    def begin(self) -> str:
        self._broker.pause()
        return f"broker {self._broker.index}"

    def end(self) -> None:
        self._broker.resume()
