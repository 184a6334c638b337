"""Disks in memory that take their time, lose what was not synced, tear, fill up and fail.

The bytes are those of data_plane/log/memory_files.py; here is when work on them is done.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

from data_plane.log.memory_files import TIB, MemoryFiles, PowerCut
from data_plane.replication.executor import Done, Work
from tests.simulation.clock import Schedule


class SimulatedDisk:
    """One node's disk, which outlives its processes. Implements replication.executor.Executor.

    `run_on`: wraps each completion, so that a paused or dead process hears of it late or never.
    """

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self.files = MemoryFiles()
        self.sync_ms_mean = 1.0
        self.run_on: Callable[[Callable[[], None]], None] = lambda act: act()
        self._schedule = schedule
        self._rng = rng
        self._in_flight: list[Sequence[Work]] = []
        self._life = 0  # Work of a dead process is never done.

    def submit(self, work: Sequence[Work], done: Done) -> None:
        self._in_flight.append(work)
        delay_ms = int(self._rng.expovariate(1 / self.sync_ms_mean))
        life = self._life
        self._schedule.after(delay_ms, lambda: self._carry_out(life, work, done))

    def _carry_out(self, life: int, work: Sequence[Work], done: Done) -> None:
        if life != self._life:
            return
        self._in_flight.remove(work)
        failure: BaseException | None = None
        for one in work:
            try:
                one()
            except Exception as error:
                failure = failure or error
        self.run_on(lambda: done(failure) if life == self._life else None)

    def process_dies(self) -> None:
        """The machine goes on: what was written stays; what was under way is half done."""
        self._tear()
        self.files.kill()

    def power_fails(self) -> None:
        """What was not synced is gone, or torn."""
        self._tear()
        self.files.crash(self._rng)

    def is_lost(self) -> None:
        """The directory is gone for good."""
        self._life += 1
        self._in_flight.clear()
        self.files = MemoryFiles()

    def fills_up(self) -> None:
        used = self.files.capacity_bytes - self.files.free_bytes()
        self.files.capacity_bytes = used + self._rng.randrange(200)

    def has_room(self) -> None:
        self.files.capacity_bytes = TIB

    def _tear(self) -> None:
        """Do a random part of each piece of work that was under way."""
        self._life += 1
        for work in self._in_flight:
            self.files.changes_max = self.files.changes + self._rng.randrange(4)
            with suppress(PowerCut, Exception):
                for one in work:
                    one()
            self.files.changes_max = None
        self._in_flight.clear()
