"""Shortening a partition's log: cut its end, drop its beginning, let compaction replace its middle.

Each step leaves a prefix, or a suffix, of what was there if the power goes.
"""

from bisect import bisect_left, bisect_right
from pathlib import PurePath

from data_plane.log import retention
from data_plane.log.appendable_log import AppendableLog
from data_plane.log.checkpoint import NAME as CHECKPOINT_NAME
from data_plane.log.checkpoint import Checkpoint, write_checkpoint
from data_plane.log.clean_job import CleanedGroup
from data_plane.log.compaction import Compaction
from data_plane.log.failures import LogFailure
from data_plane.log.files import Files
from data_plane.log.log_config import LogConfig
from data_plane.log.producer_state import ProducerStates
from data_plane.log.recovery import LoadedLog
from data_plane.log.resume import read_resume_point
from data_plane.log.segment import DELETED, LOG, SUFFIXES, Segment, segment_path
from data_plane.log.side_files import DRAFT, newest_snapshot, remove_snapshots
from data_plane.log.swap import DRAFT_INDEXES, draft_path, swap_path
from data_plane.log.txn_rebuild import replay_segment
from data_plane.protocol.errors import OffsetOutOfRange


class ShrinkableLog(AppendableLog):
    """Whatever shortens the log makes an ongoing compaction's drafts worthless."""

    def __init__(
        self, files: Files, directory: PurePath, config: LogConfig, loaded: LoadedLog
    ) -> None:
        super().__init__(files, directory, config, loaded)
        self.compaction = Compaction(files, self)
        if self.log_start_offset > self.log_end_offset:
            # Offsets that DeleteRecords had passed must not be given out again.
            self.reset_to(self.log_start_offset)

    @property
    def _gaps_end(self) -> int:
        return self.compaction.state.gaps_end

    def _note_gaps(self, gaps_end: int) -> None:
        """Recovery would take a gap that it does not know of for the end of the log."""
        self._sync.mark_file(self.compaction.allow_gaps(gaps_end))
        self._sync.mark_directory()

    def truncate_to(self, offset: int) -> None:
        """Cut the log so that it ends at `offset`, or before the batch that holds it.

        Raises the generation, so tickets under way are dropped. Raises LogFailure.
        """
        assert not self._staged, "a truncation belongs between turns"
        if offset >= self.log_end_offset:
            return
        if offset <= self._bases[0]:
            self.reset_to(offset)
            return
        self.compaction.drop()
        kept = bisect_right(self._bases, offset)
        last = self._segments[kept - 1]
        self._txn_index(kept - 1)  # Its file is about to name more than there will be.
        found = last.find(offset)
        position, end = last.size_bytes, offset
        if found is not None:
            position, end = found[0], min(offset, found[1].base_offset)
        try:
            self._lower_recovery_point(end, log_start_offset=min(self.log_start_offset, end))
            self._remove_segments_from(kept)
            last.truncate(position, end)
            remove_snapshots(self._files, self.directory, above=end)
        except OSError as error:
            raise LogFailure(self.directory, "truncate", error) from error
        self._sync.mark_file(last.log_path)
        self._sync.mark_directory()
        self._end_at(end)
        self._epochs.truncate_end(end)
        self._staged_epoch = self._epochs.latest
        self._reload_producers()

    def reset_to(self, offset: int) -> None:
        """Drop every record and begin anew at `offset`. Raises LogFailure.

        One segment is there at any time: a log without any is lost, which nothing undoes.
        """
        assert not self._staged, "a truncation belongs between turns"
        self.compaction.drop()
        path = segment_path(self.directory, offset, LOG)
        draft = path.with_name(path.name + DRAFT)
        try:
            self._lower_recovery_point(0, log_start_offset=offset)
            self._remove_segments_from(1)
            remove_snapshots(self._files, self.directory, below=2**63 - 1)
            self._files.open(draft, create=True).truncate(0)
            self._files.rename(draft, path)
            self._remove_segments_from(0, kept=path)
        except OSError as error:
            raise LogFailure(self.directory, "reset", error) from error
        self._begin_segment(offset)
        self._sync.mark_directory()
        self._epochs.truncate_end(0)
        self._producers = ProducerStates()
        self._staged_epoch = self._epochs.latest
        self.log_start_offset = offset
        self._end_at(offset)

    def _lower_recovery_point(self, offset: int, *, log_start_offset: int) -> None:
        """Before bytes go, durably stop claiming them: recovery takes their lack for damage."""
        if offset < self._recovery_point:
            self._recovery_point = offset
            checkpoint = Checkpoint(offset, log_start_offset)
            write_checkpoint(self._files, self.directory, checkpoint).sync()
            self._files.sync_directory(self.directory)

    def _remove_segments_from(self, first: int, *, kept: PurePath | None = None) -> None:
        """Remove the last segments, the very last first, so that each crash leaves a prefix.

        kept: a file that another segment has by now.
        """
        while len(self._segments) > first:
            segment = self._segments.pop()
            self._bases.pop()
            for suffix in reversed(SUFFIXES):
                path = segment_path(self.directory, segment.base_offset, suffix)
                self._sync.forget(path)
                if path != kept and self._files.exists(path):
                    self._files.remove(path)

    def _end_at(self, end: int) -> None:
        self._sync.raise_generation()
        self.log_end_offset = self._staged_end = end
        self.synced_offset = min(self.synced_offset, end)
        self.compaction.truncate(end)
        self.trusted.end_at(end)
        self.size_bytes = sum(segment.size_bytes for segment in self._segments)

    def _reload_producers(self) -> None:
        """Take the snapshot at or below the end and replay what follows it."""
        before = self._producers
        point = read_resume_point(self._files, self.directory, self._active)
        if point is not None:
            self._producers = point.producers
            start = point.segment.size_bytes
            replay_segment(self._producers, self._active, point.offset, self._now_ms, start=start)
            self._keep_undecided_of(before)
            return
        found = newest_snapshot(self._files, self.directory, self.log_end_offset)
        reached, self._producers = found or (self._bases[0], ProducerStates())
        first = max(0, bisect_right(self._bases, reached) - 1)
        for segment in self._segments[first:]:
            replay_segment(self._producers, segment, reached, self._now_ms)
        self._keep_undecided_of(before)

    def _keep_undecided_of(self, before: ProducerStates) -> None:
        before.forget_ended_from(self.log_end_offset)
        self._producers.keep_undecided_of(before)

    def delete_records_before(self, offset: int) -> None:
        """Let the log start at `offset`; whole segments before it go. The caller checks the HW.

        Raises OffsetOutOfRange beyond the log end.
        """
        if offset > self.log_end_offset:
            raise OffsetOutOfRange(f"offset {offset} is beyond the end {self.log_end_offset}")
        if offset <= self.log_start_offset:
            return
        self.log_start_offset = offset
        gone = bisect_right([segment.next_offset for segment in self._segments[:-1]], offset)
        self._remove_first(gone)

    def apply_retention(
        self, now_ms: int, offset_limit: int | None = None, *, date_ms: int | None = None
    ) -> int:
        """Drop expired segments and producers; return how many segments went.

        offset_limit: the high watermark; what it has not passed stays. date_ms: by which ages are
        counted, if it is not `now_ms`. Raises DiskFull, LogFailure.
        """
        assert not self._staged, "retention belongs between turns"
        self._now_ms = now_ms
        date_ms = now_ms if date_ms is None else date_ms
        self._producers.remove_expired(date_ms, self.config.producer_id_expiration_ms)
        limit = self.log_end_offset if offset_limit is None else offset_limit
        gone = retention.expired_count(
            self._segments, self.config, now_ms=date_ms, offset_limit=limit
        )
        if gone == len(self._segments):
            self._roll()  # The active segment may only go once another one takes its place.
        if gone:
            self.log_start_offset = max(self.log_start_offset, self._bases[gone])
            self._remove_first(gone)
        return gone

    def _remove_first(self, count: int) -> None:
        """Rename the first segments away, the very first first; unlinking them is slow work."""
        if count:
            self.compaction.drop()
        try:
            for segment in self._segments[:count]:
                for suffix in SUFFIXES:
                    self._doom(segment_path(self.directory, segment.base_offset, suffix), DELETED)
                self.size_bytes -= segment.size_bytes
        except OSError as error:
            raise LogFailure(self.directory, "delete", error) from error
        del self._segments[:count], self._bases[:count]
        self._epochs.truncate_start(self.log_start_offset)
        self._write_checkpoint()
        self._sync.mark_file(self.directory / CHECKPOINT_NAME)
        self._sync.mark_directory()

    def _doom(self, path: PurePath, suffix: str) -> None:
        self._sync.forget(path)
        if self._files.exists(path):
            doomed = path.with_name(path.name + suffix)
            self._files.rename(path, doomed)
            self.garbage.append(doomed)

    def replace_segments(self, group: CleanedGroup, run_ms: int) -> None:
        """Let a durable draft be the segment of all offsets of its group. Raises LogFailure.

        Whoever still reads an old segment holds its file. Source: durability.md 1, swap.py.
        """
        first = self._bases.index(group.base_offset)
        behind = bisect_left(self._bases, group.end_offset)
        old = self._segments[first:behind]
        doomed = f".{run_ms}{DELETED}"  # The same base offset may be replaced again soon.
        base, end = group.base_offset, group.end_offset
        try:
            for segment in old[1:]:
                for suffix in reversed(SUFFIXES):
                    path = segment_path(self.directory, segment.base_offset, suffix)
                    self._doom(path, doomed)
            for suffix in DRAFT_INDEXES:
                path = segment_path(self.directory, base, suffix)
                self._sync.forget(path)
                self._files.rename(draft_path(self.directory, base, end, run_ms, suffix), path)
            log_path = segment_path(self.directory, base, LOG)
            self._doom(log_path, doomed)
            self._files.rename(swap_path(self.directory, base, end, run_ms), log_path)
        except OSError as error:
            raise LogFailure(self.directory, "compact", error) from error
        replacement = Segment(
            self._files,
            self.directory,
            base,
            next_offset=end,
            size_bytes=group.size_bytes,
            created_ms=old[0].created_ms,
            index_interval_bytes=self.config.index_interval_bytes,
        )
        self._segments[first:behind] = [replacement]
        self._bases[first:behind] = [base]
        self.trusted.distrust_below(end)
        self.size_bytes += group.size_bytes - sum(segment.size_bytes for segment in old)
        self._sync.mark_directory()
