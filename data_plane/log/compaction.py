"""One log's compaction: when it is due, what a run is told, and how its drafts are taken up.

All of it on the loop's thread; between `plan` and `finish_swap` the cleaner runs elsewhere, and
whatever shortens the log meanwhile calls `drop`, after which the run's drafts are worth nothing.

    job = plan(...)        then clean(job) anywhere, then for each group, in order:
    begin_swap(job, group) then run the returned SwapSync off the loop, then
    finish_swap(job, group), and at last end(job, result)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath
from typing import Protocol

from data_plane.log.clean_job import (
    NEVER_MS,
    NO_OFFSET,
    CleanedGroup,
    CleanJob,
    CleanResult,
    LastWrite,
    SourceSegment,
)
from data_plane.log.failures import DiskFull, LogFailure
from data_plane.log.files import File, Files
from data_plane.log.log_config import NEVER_MS as NO_LIMIT_MS
from data_plane.log.log_config import LogConfig
from data_plane.log.producer_state import ProducerStates
from data_plane.log.scan import headers
from data_plane.log.segment import FULL, LOG, Segment
from data_plane.log.swap import (
    NAME,
    CompactionState,
    draft_path,
    read_state,
    remove_drafts,
    swap_path,
    write_state,
)
from data_plane.log.sync import sync_directory, sync_file
from data_plane.log.txn_index import AbortedTransaction

MOST_URGENT = 2.0  # Above any ratio: a record has waited longer than max.compaction.lag.ms.


class CompactedLog(Protocol):
    """The part of PartitionLog that compaction uses."""

    directory: PurePath
    config: LogConfig

    @property
    def segments(self) -> Sequence[Segment]: ...

    @property
    def producers(self) -> ProducerStates: ...

    def all_aborted_transactions(self) -> list[AbortedTransaction]: ...

    def replace_segments(self, group: CleanedGroup, run_ms: int) -> None: ...


@dataclass(frozen=True, slots=True)
class SwapSync:
    """What has to be durable before old segments may go; run off the loop. Raises LogFailure."""

    files: Files
    directory: PurePath
    state_file: File

    def run(self) -> None:
        sync_file(self.directory / NAME, self.state_file)
        sync_directory(self.files, self.directory)


class Compaction:
    """What compaction knows of one log."""

    def __init__(self, files: Files, log: CompactedLog) -> None:
        self._files, self._log = files, log
        self.state = read_state(files, log.directory)
        self.run: CleanJob | None = None
        self.refusal = (
            ""  # Why the cleaner could not read the log; it is left alone until reopened.
        )

    def urgency(self, now_ms: int, offset_limit: int) -> float:
        """Return how much a run is worth, 0 if none is due.

        The share of dirty bytes if it is above min.cleanable.dirty.ratio; more than any share if
        max.compaction.lag.ms has passed, or a tombstone's horizon.
        offset_limit: the first unstable offset; segments that reach above it are not touched.
        """
        config = self._log.config
        if not config.is_compacted or self.run is not None or self.refusal:
            return 0.0
        clean, dirty = self._divided(now_ms, offset_limit)
        clean_bytes = sum(segment.size_bytes for segment in clean)
        dirty_bytes = sum(segment.size_bytes for segment in dirty)
        if dirty_bytes and self._is_late(dirty, now_ms):
            return MOST_URGENT
        if clean_bytes and NEVER_MS < self.state.next_horizon_ms <= now_ms:
            return MOST_URGENT
        ratio = dirty_bytes / (clean_bytes + dirty_bytes) if dirty_bytes else 0.0
        return ratio if ratio > config.min_cleanable_dirty_ratio else 0.0

    def _divided(self, now_ms: int, offset_limit: int) -> tuple[list[Segment], list[Segment]]:
        """Return the clean segments, and the dirty ones that may be cleaned now."""
        lag_ms = self._log.config.min_compaction_lag_ms
        clean: list[Segment] = []
        dirty: list[Segment] = []
        for segment, after in self._closed():
            if after <= self.state.first_dirty_offset:
                clean.append(segment)
            elif after > offset_limit or (lag_ms and segment.max_timestamp_ms > now_ms - lag_ms):
                break
            else:
                dirty.append(segment)
        return clean, dirty

    def _closed(self) -> list[tuple[Segment, int]]:
        """The segments that nobody writes to, each with the base offset of the next."""
        segments = self._log.segments
        return [(one, after.base_offset) for one, after in pairwise(segments)]

    def _is_late(self, dirty: Sequence[Segment], now_ms: int) -> bool:
        """True if the first record of a dirty segment is older than max.compaction.lag.ms."""
        lag_ms = self._log.config.max_compaction_lag_ms
        if lag_ms == NO_LIMIT_MS:
            return False
        return any(0 <= _first_timestamp_ms(segment) < now_ms - lag_ms for segment in dirty)

    def plan(self, now_ms: int, offset_limit: int) -> CleanJob | None:
        """Begin a run over everything cleanable; None if there is nothing."""
        clean, dirty = self._divided(now_ms, offset_limit)
        closed = self._closed()[: len(clean) + len(dirty)]
        if not closed or self.run is not None:
            return None
        config = self._log.config
        self.run = CleanJob(
            directory=self._log.directory,
            segments=tuple(
                SourceSegment(segment.base_offset, after, segment.size_bytes)
                for segment, after in closed
            ),
            first_dirty_offset=max(self.state.first_dirty_offset, closed[0][0].base_offset),
            run_ms=now_ms,
            delete_retention_ms=config.delete_retention_ms,
            segment_bytes=config.segment_bytes,
            index_interval_bytes=config.index_interval_bytes,
            producers=_last_writes(self._log.producers),
            aborted=tuple(self._log.all_aborted_transactions()),
        )
        return self.run

    def begin_swap(self, job: CleanJob, group: CleanedGroup) -> SwapSync | None:
        """Give a draft its name as a replacement; None if the run was dropped meanwhile.

        Raises DiskFull, LogFailure.
        """
        if self.run is not job:
            return None
        directory = job.directory
        state = self.state._replace(gaps_end=max(self.state.gaps_end, group.end_offset))
        draft = draft_path(directory, group.base_offset, group.end_offset, job.run_ms, LOG)
        try:
            state_file = write_state(self._files, directory, state)
            self._files.rename(
                draft, swap_path(directory, group.base_offset, group.end_offset, job.run_ms)
            )
        except OSError as error:
            raise self._failure("compact", error) from error
        self.state = state
        return SwapSync(self._files, directory, state_file)

    def finish_swap(self, job: CleanJob, group: CleanedGroup) -> bool:
        """Put a durable draft in the place of the old segments; False if the run was dropped."""
        if self.run is not job:
            return False
        self._log.replace_segments(group, job.run_ms)
        return True

    def end(self, job: CleanJob, result: CleanResult | None, *, refusal: str = "") -> None:
        """The run is over; without a result its drafts go. refusal: never to be tried again."""
        if self.run is not job:
            # The cleaner wrote drafts after `drop`; what it read was cut and proves nothing.
            self._remove_drafts()
            return
        self.refusal = refusal or self.refusal
        if result is None:
            self.drop()
            return
        self.run = None
        self.state = self.state._replace(
            first_dirty_offset=result.clean_end_offset, next_horizon_ms=result.next_horizon_ms
        )
        try:
            write_state(self._files, job.directory, self.state)
        except OSError as error:
            failure = self._failure("compact", error)
            if isinstance(failure, LogFailure):
                raise failure from error

    def drop(self) -> None:
        """What a run was told is no longer so: forget it and whatever swap it had begun."""
        if self.run is not None:
            self.run = None
            if self._remove_drafts():
                sync_directory(self._files, self._log.directory)

    def allow_gaps(self, gaps_end: int) -> PurePath:
        """A leader has compacted what is copied from it; return the file to sync with that.

        Raises DiskFull, LogFailure.
        """
        state = self.state._replace(gaps_end=max(self.state.gaps_end, gaps_end))
        try:
            write_state(self._files, self._log.directory, state)
        except OSError as error:
            raise self._failure("copy", error) from error
        self.state = state
        return self._log.directory / NAME

    def truncate(self, end_offset: int) -> None:
        """The log ends at `end_offset` now; what is appended there has no gaps."""
        first_dirty, gaps_end, horizon_ms = self.state
        self.state = CompactionState(
            min(first_dirty, end_offset), min(gaps_end, end_offset), horizon_ms
        )

    def _remove_drafts(self) -> bool:
        try:
            return remove_drafts(self._files, self._log.directory)
        except FileNotFoundError:
            return False  # The partition is deleted.
        except OSError as error:
            raise LogFailure(self._log.directory, "compact", error) from error

    def _failure(self, doing: str, error: OSError) -> DiskFull | LogFailure:
        if error.errno in FULL:
            return DiskFull(f"no room to {doing} {self._log.directory.name}")
        return LogFailure(self._log.directory, doing, error)


def _first_timestamp_ms(segment: Segment) -> int:
    for _, header in headers(segment.file(), 0, segment.size_bytes):
        return header.max_timestamp
    return NEVER_MS


def _last_writes(producers: ProducerStates) -> dict[int, LastWrite]:
    return {
        producer_id: LastWrite(
            known.batches[-1].last_offset if known.batches else NO_OFFSET, known.producer_epoch
        )
        for producer_id, known in producers.items()
    }
