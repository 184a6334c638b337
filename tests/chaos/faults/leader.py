"""One partition's leader dies or stands still for longer than any failover should take.

The partitions that it led are named, so that the gap in their acknowledgements is the failover.
"""

import random
from collections.abc import Sequence
from typing import ClassVar

from tests.chaos.rig import Rig
from tests.chaos.targets import leader_of_any, led_by

DOWN_SECONDS = 8.0  # the target of a failover after a kill is 5 s
PAUSED_SECONDS = 16.0  # after a pause 12 s


class LeaderKill:
    name: ClassVar[str] = "leader-kill"

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        rig.require_brokers(3)
        self._rig = rig
        self._rng = rng
        self.seconds = DOWN_SECONDS
        self.partitions: Sequence[str] = ()

    def begin(self) -> str:
        self._rig.await_in_sync()
        self._victim = leader_of_any(self._rig, self._rng)
        self.partitions = led_by(self._rig, self._victim)
        self._victim.kill()
        return f"broker {self._victim.index} led {len(self.partitions)} partitions"

    def end(self) -> None:
        self._victim.start()


class LeaderPause(LeaderKill):
    name: ClassVar[str] = "leader-pause"

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        super().__init__(rig, rng, seconds_max=seconds_max)
        self.seconds = PAUSED_SECONDS

    def begin(self) -> str:
        self._rig.await_in_sync()
        self._victim = leader_of_any(self._rig, self._rng)
        self.partitions = led_by(self._rig, self._victim)
        self._victim.pause()
        return f"broker {self._victim.index} led {len(self.partitions)} partitions"

    def end(self) -> None:
        self._victim.resume()


class Roll:
    """Every broker is stopped cleanly and started again, one after the other."""

    name: ClassVar[str] = "roll"
    partitions: Sequence[str] = ()

    def __init__(self, rig: Rig, rng: random.Random, *, seconds_max: float) -> None:
        rig.require_brokers(3)
        self._rig = rig
        self.seconds = 0.0

    def begin(self) -> str:
        for broker in self._rig.brokers:
            self._rig.await_in_sync()
            assert broker.stop() == 0, "a clean stop"
            broker.start()
        return "all, one by one"

    def end(self) -> None:
        self._rig.await_in_sync()
