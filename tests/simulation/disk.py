"""Disks in memory that take their time, lose what was not synced, tear, fill up and fail.

The bytes are those of data_plane/log/memory_files.py; here is when work on them is done.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import PurePath
from random import Random

from data_plane.log.clean_job import CleanJob, CleanResult
from data_plane.log.cleaner import clean
from data_plane.log.memory_files import TIB, MemoryFiles, PowerCut
from data_plane.replication.cleaners import Cleaned
from data_plane.replication.executor import Done, Work
from tests.simulation import rare_paths
from tests.simulation.clock import Schedule

DELAY_MS_MAX = 8_000  # What is under way when all heals must be told of in time to be judged.

RunOn = Callable[[Callable[[], None]], None]


def new_files() -> MemoryFiles:
    files = MemoryFiles()
    files.reserve_bytes_max = 1_000  # A full disk is to stop the quorum too, now and then.
    return files


class SimulatedDisk:
    """One node's disk, which outlives its processes. Implements replication.executor.Executor.

    `run_on`: wraps each completion, so that a paused or dead process hears of it late or never.
    """

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self.files = new_files()
        self.sync_ms_mean = 1.0
        self.bulk_ms_mean = 0.0  # more, for who syncs many bytes: a quorum's few are quick
        self.rare: tuple[str, ...] = ()  # the rare paths that are forced
        self.run_on: RunOn = lambda act: act()
        self._schedule = schedule
        self._rng = rng
        self._in_flight: list[Sequence[Work]] = []
        self._others: list[PurePath] = []  # another tenant's files
        self._life = 0  # Work of a dead process is never done.

    def submit(self, work: Sequence[Work], done: Done) -> None:
        self.submit_for(self.run_on, work, done, ms_mean=self.sync_ms_mean)

    def submit_for(
        self, run_on: RunOn, work: Sequence[Work], done: Done, *, ms_mean: float
    ) -> None:
        """As `submit`, for one of several threads of the process."""
        self._in_flight.append(work)
        delay_ms = min(int(self._rng.expovariate(1 / ms_mean)), DELAY_MS_MAX)
        done_ms = int(delay_ms * self._rng.choice([0.0, self._rng.random()]))
        told_ms = delay_ms - done_ms
        told_ms += rare_paths.late_ms(self.rare, rare_paths.LATE_SYNCS, self._rng)
        self._schedule.after(
            done_ms, partial(self._carry_out, self._life, run_on, work, done, told_ms)
        )

    def _carry_out(
        self, life: int, run_on: RunOn, work: Sequence[Work], done: Done, told_ms: int
    ) -> None:
        """It is done at some time before it is told: what is written between is not covered."""
        if life != self._life:
            return
        self._in_flight.remove(work)
        failure: BaseException | None = None
        for one in work:
            try:
                one()
            except Exception as error:
                failure = failure or error

        def tell() -> None:
            if life == self._life:
                run_on(lambda: done(failure) if life == self._life else None)

        if told_ms:
            self._schedule.after(told_ms, tell)
        else:
            tell()

    def finishes(self) -> None:
        """The process ends in order: what is under way is done first, and nobody hears of it."""
        self._life += 1
        for work in self._in_flight:
            for one in work:
                with suppress(Exception):
                    one()
        self._in_flight.clear()

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
        self._others.clear()
        self.files = new_files()

    def fills_up(self) -> None:
        used = self.files.capacity_bytes - self.files.free_bytes()
        self.files.capacity_bytes = used + self._rng.randrange(200)

    def fill(self, other: PurePath, free_bytes: int) -> None:
        """Let another tenant's file leave only so much room."""
        if self.files.free_bytes() > free_bytes:
            self._others.append(other.with_name(f"{other.name}-{len(self._others)}"))
            self.files.allocate(self._others[-1], self.files.free_bytes() - free_bytes)

    @property
    def is_short(self) -> bool:
        """Others leave it little room, or none."""
        return bool(self._others) or self.files.capacity_bytes < TIB

    def has_room(self) -> None:
        self.files.capacity_bytes = TIB
        for path in self._others:
            if self.files.exists(path):
                self.files.remove(path)
        self._others.clear()

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


class DiskQueue:
    """What one thread of a process has of the disk. Implements replication.executor.Executor."""

    def __init__(self, disk: SimulatedDisk, run_on: RunOn, *, is_bulk: bool) -> None:
        self._disk, self._run_on, self._is_bulk = disk, run_on, is_bulk

    def submit(self, work: Sequence[Work], done: Done) -> None:
        disk = self._disk
        ms_mean = disk.sync_ms_mean + disk.bulk_ms_mean * self._is_bulk
        disk.submit_for(self._run_on, work, done, ms_mean=ms_mean)


class SimulatedCleaner:
    """The process that compacts: it reads a while after it was asked, and is heard of later still.

    Meanwhile the log is written to, cut, led by others and deleted. Implements
    replication.cleaners.Cleaner.
    """

    def __init__(self, disk: SimulatedDisk, run_on: RunOn, ms_mean: float) -> None:
        self._disk, self._run_on, self._ms_mean = disk, run_on, ms_mean

    def submit(self, job: CleanJob, done: Cleaned) -> None:
        results: list[CleanResult] = []

        def told(error: BaseException | None) -> None:
            assert error is None or isinstance(error, Exception), "a cut of power is not told of"
            done(error or results[0])

        work = [lambda: results.append(clean(self._disk.files, job))]
        self._disk.submit_for(self._run_on, work, told, ms_mean=self._ms_mean)

    def rest(self) -> None:
        """There is nothing to give up."""

    def close(self) -> None:
        """What it was writing is left over, as after a kill."""
