"""Writing what a turn has staged to a partition's log, and rolling segments on the way."""

from collections.abc import Sequence
from pathlib import PurePath

from data_plane.log.producer_state import ProducerStates
from data_plane.log.resume import encode_resume_point
from data_plane.log.segment import LOG, StagedBatch, segment_path
from data_plane.log.side_files import write_epochs, write_snapshot
from data_plane.log.staging_log import StagingLog


class AppendableLog(StagingLog):
    """One write per turn; a failed one takes back what it gave out."""

    def write(self) -> None:
        """Write what is staged, with one call unless a segment ends on the way.

        Raises DiskFull: what had fitted is in the log (log_end_offset tells), the rest is dropped
        with its offsets and sequences. Raises LogFailure: the broker must stop.
        """
        if not self._staged:
            return
        staged, self._staged = self._staged, []
        size_bytes, self._staged_bytes = self._staged_bytes, 0
        try:
            if self._fits(size_bytes, self._staged_end):
                self._append(staged, size_bytes)
                return
            for batch in staged:
                # A batch larger than a segment gets one of its own.
                if self._segments[-1].size_bytes and not self._fits(
                    batch.size_bytes, batch.last_offset + 1
                ):
                    self._roll()
                self._append([batch], batch.size_bytes)
        finally:
            self._settle()

    def _fits(self, size_bytes: int, end_offset: int) -> bool:
        """Say whether so many bytes, up to an offset, may join the active segment."""
        active, config = self._segments[-1], self.config
        return self._now_ms - active.created_ms < config.roll_ms and active.has_room(
            end_offset - 1,
            active.size_bytes + size_bytes,
            config.segment_bytes,
            config.index_bytes_max,
        )

    def _append(self, batches: Sequence[StagedBatch], size_bytes: int) -> None:
        trusted = self.trusted
        if trusted.seen != trusted.era.number:
            trusted.renew(self.log_end_offset)
        active = self._segments[-1]
        if not active.size_bytes:
            active.created_ms = self._now_ms
        active.append(batches, size_bytes)
        if batches[-1].leader_epoch > self._epochs.latest:
            for batch in batches:
                self._epochs.assign(batch.leader_epoch, batch.base_offset)
        self.size_bytes += size_bytes
        self._bytes_since_checkpoint += size_bytes
        self.log_end_offset = batches[-1].last_offset + 1
        self._sync.mark_file(active.log_path, size_bytes)
        if self._has_marker:
            self._index_aborted(batches[0].base_offset)

    def _index_aborted(self, base_offset: int) -> None:
        """Let the active segment's index know what the markers just written have aborted."""
        index = self._txn_index(len(self._segments) - 1)
        for aborted in self._producers.aborted_in(base_offset, self.log_end_offset):
            index.append(aborted)

    def _settle(self) -> None:
        """After a write, forget how to undo it; after a failed one, undo what was not written."""
        end = self.log_end_offset
        while self._undo:
            base_offset, producer_id, before = self._undo.pop()
            if base_offset >= end:
                self._producers.restore(producer_id, before)
        if self._has_marker:
            self._producers.forget_ended_from(end)
            self._has_marker = False
        self._staged_end = end
        self._staged_epoch = self._epochs.latest

    def roll(self) -> None:
        """Begin a new segment at the log end, unless the active one is empty."""
        assert not self._staged, "a roll belongs between turns"
        if self._active.size_bytes:
            self._roll()

    def roll_if_due(self, now_ms: int) -> bool:
        """Begin a new segment if the active one is too old, though nobody appends.

        Raises DiskFull, LogFailure.
        """
        age_ms = now_ms - self._active.created_ms
        if not self._active.size_bytes or age_ms < self.config.roll_ms:
            return False
        self._now_ms = now_ms
        self.roll()
        return True

    def _roll(self) -> None:
        """Close the active segment for writing. Raises DiskFull, nothing then changed."""
        base = self.log_end_offset
        try:
            written = self._write_side_files()
            self._files.open(segment_path(self.directory, base, LOG), create=True)
        except OSError as error:
            raise self._failure("roll", error) from error
        for path in written:
            self._sync.mark_file(path)
        self._sync.mark_directory()
        self._begin_segment(base)

    def _write_side_files(self) -> list[PurePath]:
        """Write the active segment's indexes, a producer snapshot at the end, and the epochs."""
        return [
            *self._active.write_indexes(),
            write_snapshot(self._files, self.directory, self.log_end_offset, self._written()),
            write_epochs(self._files, self.directory, self._epochs),
        ]

    def _resume_point(self) -> bytes:
        active = self._active
        if active.txn_index is None and not active.load_txn_index():
            return b""
        return encode_resume_point(active, self._epochs, self._written())

    def _written(self) -> ProducerStates:
        """Return the producers as of the log end, without what this turn has yet to write."""
        producers = self._producers.copy()
        for base_offset, producer_id, before in reversed(self._undo):
            if base_offset >= self.log_end_offset:
                producers.restore(producer_id, before)
        producers.forget_ended_from(self.log_end_offset)
        return producers
