"""Draws faults from a seed, does them one after the other, and writes down what it did."""

import random
import time
from collections import Counter
from collections.abc import Sequence

from tests.chaos.crew import Crew
from tests.chaos.faults import LIVE, Fault
from tests.chaos.recorder import Recorder
from tests.chaos.rig import Rig
from tests.progress import Progress
from tests.stopping import NEVER, Stopping

QUIET_SHARE = 0.25
LOOK_SECONDS = 0.1


class Nemesis:
    """One run's faults. The schedule is a function of the seed; the moments are the machine's."""

    def __init__(
        self,
        rig: Rig,
        crew: Crew,
        record: Recorder,
        rng: random.Random,
        progress: Progress,
        stopping: Stopping = NEVER,
    ) -> None:
        """stopping: while it is asked for no fault is begun, and none is waited for."""
        self._rig = rig
        self._crew = crew
        self._record = record
        self._rng = rng
        self._progress = progress
        self._stopping = stopping
        self.done: Counter[str] = Counter()

    def run(
        self,
        faults: Sequence[str],
        count: int,
        *,
        apart_seconds: tuple[float, float],
        seconds_max: float,
        killed_clients: Sequence[str] = (),
        client_kill_every: int = 2,
    ) -> None:
        """Do `count` faults, a quarter of the pauses between them long ones without any.

        killed_clients: posts of which one is killed behind every so many faults.
        """
        for number in range(count):
            self.rest(self._rng.uniform(*apart_seconds))
            if self._rng.random() < QUIET_SHARE:
                self.rest(self._rng.uniform(*apart_seconds))
            if not self._stopping.goes_on():
                return
            fault = LIVE[self._rng.choice(faults)](self._rig, self._rng, seconds_max=seconds_max)
            self.do(fault)
            if killed_clients and number % client_kill_every == 0:
                self._crew.kill(self._rng.choice(killed_clients))

    def do(self, fault: Fault) -> None:
        """Begin it, leave it for its time, end it; all of it is written down."""
        number = self._record.invoke("nemesis", fault=fault.name)
        target = fault.begin()
        self._record.note("admin", "info", name=f"fault {fault.name}", target=target)
        self.rest(fault.seconds)
        fault.end()
        self._record.complete(number, "nemesis", "ok", partitions=fault.partitions)
        self.done[fault.name] += 1
        self._progress.step(1)

    def rest(self, seconds: float) -> None:
        """Wait, and look after the clients meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopping.is_asked:
            self._crew.tend()
            time.sleep(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
