"""The power goes: what was not synced is lost or torn, and the machine boots again."""

import random
from collections.abc import Sequence
from typing import ClassVar

from tests.chaos.rig import Rig


class PowerLoss:
    """Of every broker at once where commits wait for syncs; else of one (durability.md 1)."""

    name: ClassVar[str] = "power-loss"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        self._rig = rig
        self._rng = rng
        is_site = rig.nodes == 1
        self._victims = rig.brokers if is_site else [rig.any_broker(rng)]
        self.seconds = rng.uniform(0, min(1.0, seconds_max))

    def begin(self) -> str:
        for broker in self._victims:
            broker.kill()  # All first: a site loses power at one moment.
        told = []
        for broker in self._victims:
            lost = broker.lose_power(self._rng)
            what = ", ".join(f"{name} {count}" for name, count in sorted(lost.items()))
            told.append(f"broker {broker.index}: {what}")
        return "; ".join(told)

    def end(self) -> None:
        self._rig.start_all(self._victims)
        self._rig.await_in_sync()
