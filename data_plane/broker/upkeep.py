"""Retention of the partitions led here and compaction of all replicas, a few in each tick.

What a leader's retention drops its followers drop with the log start it tells them; compaction
moves nothing that is told, so each replica sees to its own.

No callback may hold the loop (durability.md 5), and opening a log reads its directory: both walks
go in steps. Removed files are unlinked and swaps are synced by the executor; the cleaner reads and
writes in a process of its own, one log at a time, the most urgent first.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from data_plane.log.clean_job import CleanJob, CleanResult
from data_plane.log.failures import DamagedLog, LogFailure
from data_plane.protocol.errors import ErrorCode, KafkaError, StorageError
from data_plane.replication.cleaners import Cleaner
from data_plane.replication.executor import Executor
from data_plane.replication.follower import Follower
from data_plane.replication.partition import Partition

PARTITIONS_PER_STEP = 16  # About 5 ms where all of them have to be opened first.

log = logging.getLogger(__name__)

Key = tuple[str, int]
Replica = Partition | Follower


class Kept(Protocol):
    """What upkeep needs of its broker."""

    def keys_with_records(self) -> Iterable[Key]:
        """The partitions led here that hold anything, open or not."""

    def compacted_keys_with_records(self) -> Iterable[Key]:
        """The replicas here, led or copied, that hold anything of compacted topics."""

    def kept_partition(self, key: Key) -> Replica | None:
        """Open a partition; None if it went, or cannot be opened."""

    def mark_unsynced(self, partition: Replica) -> None: ...

    def found_damage(self, replica: Replica, error: DamagedLog) -> ErrorCode: ...

    def unlink_garbage(self) -> None: ...

    def fail(self, error: BaseException) -> None: ...


class Upkeep:
    """When is what due; see `step`."""

    def __init__(
        self,
        kept: Kept,
        executor: Executor,
        cleaner: Cleaner,
        *,
        retention_interval_ms: int,
        cleaning_interval_ms: int,
        now_ms: int,
    ) -> None:
        self._kept, self._executor, self._cleaner = kept, executor, cleaner
        self._now_ms = self._date_ms = now_ms
        self._retention = _Walk(kept, kept.keys_with_records, retention_interval_ms, now_ms)
        self._cleaning = _Walk(kept, kept.compacted_keys_with_records, cleaning_interval_ms, now_ms)
        self._most_urgent: tuple[float, Replica] | None = None
        self._is_cleaning = False
        self._is_closed = False

    @property
    def next_due_ms(self) -> int:
        """When `step` has something to do, Unix milliseconds; 0: at once."""
        if self._is_cleaning:
            return self._retention.next_due_ms
        return min(self._retention.next_due_ms, self._cleaning.next_due_ms)

    def step(self, now_ms: int, date_ms: int) -> None:
        """Look after a few partitions. Between turns: nothing may be staged. Raises LogFailure.

        date_ms: by which ages are counted (dates.py).
        """
        self._now_ms, self._date_ms = now_ms, date_ms
        for partition in self._retention.partitions(now_ms):
            with self._kept_in_service(partition):
                watermark = partition.high_watermark
                if partition.log.apply_retention(now_ms, watermark, date_ms=date_ms):
                    self._kept.mark_unsynced(partition)
        if self._retention.has_just_ended:
            self._kept.unlink_garbage()
        if self._is_cleaning:
            return
        for partition in self._cleaning.partitions(now_ms):
            with self._kept_in_service(partition):
                self._consider(partition)
        if self._cleaning.has_just_ended:
            self._clean_most_urgent()

    def apply_retention(self) -> None:
        """Have everything walked through from now on, whatever the interval."""
        self._retention.restart()

    def clean_every(self, interval_ms: int) -> None:
        """Look for what compaction is due that often from now on (KIP-226)."""
        self._cleaning.go_every(interval_ms, self._now_ms)

    def close(self) -> None:
        """End a run under way; its drafts are thrown away when the log closes."""
        self._is_closed = True
        self._cleaner.close()

    @contextmanager
    def _kept_in_service(self, partition: Replica) -> Iterator[None]:
        """Without room now it is tried again the next time; damage is told."""
        with suppress(StorageError):
            try:
                yield
            except DamagedLog as error:
                self._kept.found_damage(partition, error)

    # Compaction.

    def _consider(self, partition: Replica) -> None:
        kept = partition.log
        if not kept.config.is_compacted:
            return
        if kept.roll_if_due(self._now_ms):
            self._kept.mark_unsynced(partition)
        urgency = kept.compaction.urgency(self._date_ms, partition.last_stable_offset)
        if urgency and (self._most_urgent is None or urgency > self._most_urgent[0]):
            self._most_urgent = (urgency, partition)

    def _clean_most_urgent(self) -> None:
        chosen, self._most_urgent = self._most_urgent, None
        if chosen is None:
            self._cleaner.rest()
            return
        partition = chosen[1]
        if partition.is_gone:
            return
        job = None
        with self._kept_in_service(partition):
            job = partition.log.compaction.plan(self._date_ms, partition.last_stable_offset)
        if job is not None:
            self._is_cleaning = True
            run = _Run(partition, job)
            self._cleaner.submit(job, lambda outcome: self._cleaned(run, outcome))

    def _cleaned(self, run: "_Run", outcome: CleanResult | Exception) -> None:
        if self._is_closed:
            return
        name = f"{run.partition.topic}-{run.partition.index}"
        if isinstance(outcome, CleanResult):
            log.info(
                "compacted %s: %d of %d records kept, %d of %d bytes",
                name,
                outcome.records_kept,
                outcome.records_read,
                outcome.bytes_written,
                sum(segment.size_bytes for segment in run.job.segments),
            )
            run.result = outcome
            self._swap_next(run)
            return
        log.error("could not compact %s: %s", name, outcome)
        if not isinstance(outcome, DamagedLog):
            self._end(run)
            return
        self._end(run, refusal=str(outcome))
        self._kept.found_damage(run.partition, outcome)

    def _swap_next(self, run: "_Run") -> None:
        """Begin the next group's swap; its names must be durable before old segments go."""
        result = run.result
        assert result is not None, "there are drafts to take up"
        if run.partition.is_gone or run.groups_done == len(result.groups):
            self._end(run)
            return
        group = result.groups[run.groups_done]
        try:
            sync = run.partition.log.compaction.begin_swap(run.job, group)
        except StorageError as error:  # No room: the drafts go, which makes some.
            log.warning("could not take up a compaction: %s", error)
            sync, run.result = None, None
        except LogFailure as failure:
            self._kept.fail(failure)
            raise
        if sync is None:
            self._end(run)
        else:
            self._executor.submit([sync.run], lambda error: self._synced(run, error))

    def _synced(self, run: "_Run", error: BaseException | None) -> None:
        if self._is_closed:
            return
        if error is not None:
            self._kept.fail(error)
            return
        result, partition = run.result, run.partition
        assert result is not None, "a swap was begun"
        if not partition.is_gone:
            self._guarded(
                lambda: partition.log.compaction.finish_swap(
                    run.job, result.groups[run.groups_done]
                )
            )
            self._kept.mark_unsynced(partition)
            run.groups_done += 1  # A swap that was not finished must not stay for the next start.
        self._swap_next(run)

    def _end(self, run: "_Run", refusal: str = "") -> None:
        """The run is over; the next most urgent log is looked for at once if it went well."""
        is_whole = run.result is not None and run.groups_done == len(run.result.groups)
        result = run.result if is_whole else None
        self._is_cleaning = False
        self._guarded(lambda: run.partition.log.compaction.end(run.job, result, refusal=refusal))
        if is_whole:
            self._cleaning.restart()
        self._kept.unlink_garbage()

    def _guarded(self, act: Callable[[], object]) -> None:
        try:
            act()
        except LogFailure as failure:
            self._kept.fail(failure)
            raise


class _Run:
    """A compaction under way."""

    __slots__ = ("groups_done", "job", "partition", "result")

    def __init__(self, partition: Replica, job: CleanJob) -> None:
        self.partition, self.job = partition, job
        self.result: CleanResult | None = None
        self.groups_done = 0


class _Walk:
    """A walk over all partitions every so often, a few of them per step."""

    def __init__(
        self, kept: Kept, keys: Callable[[], Iterable[Key]], interval_ms: int, now_ms: int
    ) -> None:
        self._kept, self._keys_now, self._interval_ms = kept, keys, interval_ms
        self._due_ms = now_ms + interval_ms
        self._keys: Iterator[Key] | None = None
        self.has_just_ended = False

    @property
    def next_due_ms(self) -> int:
        return self._due_ms if self._keys is None else 0

    def restart(self) -> None:
        self._due_ms = 0

    def go_every(self, interval_ms: int, now_ms: int) -> None:
        """A shorter interval counts from now, a longer one from the next walk."""
        self._interval_ms = interval_ms
        self._due_ms = min(self._due_ms, now_ms + interval_ms)

    def partitions(self, now_ms: int) -> Iterator[Replica]:
        """Yield the partitions of one step; what one of them refuses is tried the next time."""
        self.has_just_ended = False
        if self._keys is None:
            if now_ms < self._due_ms:
                return
            self._keys = iter(list(self._keys_now()))
            self._due_ms = now_ms + self._interval_ms
        for _ in range(PARTITIONS_PER_STEP):
            key = next(self._keys, None)
            if key is None:
                self._keys = None
                self.has_just_ended = True
                return
            try:
                partition = self._kept.kept_partition(key)
                if partition is not None:
                    yield partition
            except KafkaError as error:
                log.debug("%s-%d: %s", *key, error)
