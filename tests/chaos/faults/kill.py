"""kill -9 of one broker or several, and new processes after a while."""

import random
from collections.abc import Sequence
from typing import ClassVar

from tests.chaos.rig import Rig
from tests.chaos.targets import choose_victims, coordinator_of


class Kill:
    name: ClassVar[str] = "kill"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._rig = rig
        self._rng = rng
        self.seconds = rng.uniform(0, seconds_max) * rng.choice([0, 0.2, 1])

    def begin(self) -> str:
        role, self._victims = choose_victims(self._rig, self._rng)
        for broker in self._victims:
            broker.kill()
        return f"{role}: {' '.join(str(broker.index) for broker in self._victims)}"

    def end(self) -> None:
        self._rig.start_all(self._victims)


class CoordinatorKill:
    """The broker that coordinates one of the run's groups."""

    name: ClassVar[str] = "coordinator-kill"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._rig = rig
        self._group = rng.choice(["readers", "readers-next"])
        self.seconds = rng.uniform(0, seconds_max)

    def begin(self) -> str:
        self._victim = coordinator_of(self._rig, self._group)
        self._victim.kill()
        return f"broker {self._victim.index}, of {self._group}"

    def end(self) -> None:
        self._rig.start_all([self._victim])
