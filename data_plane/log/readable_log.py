"""Reading a partition's log: batches by offset, offsets by time and by epoch, what was aborted."""

from bisect import bisect_right

from data_plane.log import time_lookup
from data_plane.log.leader_epochs import EpochEnd
from data_plane.log.log_slice import EMPTY_SLICE, LogSlice
from data_plane.log.scan import headers
from data_plane.log.segmented_log import SegmentedLog
from data_plane.log.time_lookup import TimestampOffset
from data_plane.log.txn_index import AbortedTransaction
from data_plane.protocol.errors import OffsetOutOfRange


class ReadableLog(SegmentedLog):
    """Gives extents of files, no bytes; readers keep to the limits that they are given."""

    def read(
        self, offset: int, *, bytes_max: int, offset_limit: int, at_least_one: bool
    ) -> LogSlice:
        """Return whole batches from the one that holds `offset`, of one segment.

        offset_limit: exclusive; only batches that end below it. at_least_one: the first batch
        comes even if it is larger than bytes_max (KIP-74).
        Raises OffsetOutOfRange outside [log_start_offset, log_end_offset].
        """
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise OffsetOutOfRange(
                f"offset {offset} is outside [{self.log_start_offset}, {self.log_end_offset}]"
            )
        if offset >= offset_limit or offset == self.log_end_offset:
            return EMPTY_SLICE
        first = max(0, bisect_right(self._bases, offset) - 1)
        for segment in self._segments[first:]:
            extent = segment.extent(
                offset, bytes_max=bytes_max, offset_limit=offset_limit, at_least_one=at_least_one
            )
            if extent is not None:
                return LogSlice((extent,), extent.size_bytes) if extent.size_bytes else EMPTY_SLICE
        return EMPTY_SLICE

    def offset_for_timestamp(self, timestamp_ms: int, offset_limit: int) -> TimestampOffset | None:
        """Return the first record at or after a time, below `offset_limit`; None if there is none.

        May have to decompress one batch. Raises CorruptBatch if its records are unreadable.
        """
        return time_lookup.first_at_or_after(
            self._segments,
            timestamp_ms,
            offset_start=self.log_start_offset,
            offset_limit=min(offset_limit, self.log_end_offset),
        )

    def offset_of_max_timestamp(self, offset_limit: int) -> TimestampOffset | None:
        """Return the first record that has the latest timestamp, below `offset_limit`."""
        return time_lookup.of_max_timestamp(
            self._segments,
            offset_start=self.log_start_offset,
            offset_limit=min(offset_limit, self.log_end_offset),
        )

    def epoch_at(self, offset: int) -> int:
        """Return the leader epoch that wrote an offset, -1 if unknown."""
        return self._epochs.epoch_at(offset)

    def epoch_end(self, leader_epoch: int) -> EpochEnd:
        """Return the largest epoch up to `leader_epoch` and its end (OffsetForLeaderEpoch)."""
        return self._epochs.end_of(leader_epoch, self.log_end_offset)

    def all_aborted_transactions(self) -> list[AbortedTransaction]:
        """Return every aborted transaction that read_committed readers are told about."""
        return [one for at in range(len(self._segments)) for one in self._txn_index(at)]

    def aborted_transactions(
        self, offset: int, part: LogSlice, offset_limit: int
    ) -> list[AbortedTransaction]:
        """Return the aborted transactions with records in `part`, a read from `offset` on.

        offset_limit: of that read; not above the last stable offset.
        """
        first = max(0, bisect_right(self._bases, offset) - 1)
        found: list[AbortedTransaction] = []
        for at in range(first, len(self._segments)):
            for one in self._txn_index(at):
                if one.last_offset >= offset and one.first_offset < offset_limit:
                    found.append(one)
                if one.last_stable_offset >= offset_limit:
                    break
            else:
                continue
            break
        if not found or not part.extents:
            return []
        end = self._end_of(part)
        return [one for one in found if one.first_offset < end]

    def _end_of(self, part: LogSlice) -> int:
        """Return the offset at which a slice ends, exclusive."""
        file, position, size_bytes = extent = part.extents[-1]
        _, header = next(headers(file, position, position + size_bytes))
        return self._segments[bisect_right(self._bases, header.base_offset) - 1].end_of(extent)
