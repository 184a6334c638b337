"""Reading a partition's log: batches by offset, offsets by time and by epoch, what was aborted."""

from bisect import bisect_right

from data_plane.log import time_lookup
from data_plane.log.checked import whole_bytes
from data_plane.log.failures import DamagedLog
from data_plane.log.leader_epochs import EpochEnd
from data_plane.log.log_slice import EMPTY_SLICE, LogSlice
from data_plane.log.scan import headers
from data_plane.log.segment import FileExtent, Segment
from data_plane.log.segmented_log import SegmentedLog
from data_plane.log.time_lookup import TimestampOffset
from data_plane.log.txn_index import AbortedTransaction
from data_plane.protocol.errors import OffsetOutOfRange
from data_plane.protocol.records.batch import read_header

CHECKED_BYTES_MAX = 512 * 1024  # at once: some 20 ms of the loop where each batch is one record


class ReadableLog(SegmentedLog):
    """Gives extents of files, no bytes; readers keep to the limits that they are given."""

    def read(
        self, offset: int, *, bytes_max: int, offset_limit: int, at_least_one: bool
    ) -> LogSlice:
        """Return whole batches from the one that holds `offset`, of one segment.

        offset_limit: exclusive; only batches that end below it. at_least_one: the first batch
        comes even if it is larger than bytes_max (KIP-74).
        What is not trusted is compared with its checksums first, and comes in smaller pieces.
        Raises OffsetOutOfRange outside [log_start_offset, log_end_offset], DamagedLog if what was
        stored is not what was written.
        """
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise OffsetOutOfRange(
                f"offset {offset} is outside [{self.log_start_offset}, {self.log_end_offset}]"
            )
        if offset >= offset_limit or offset == self.log_end_offset:
            return EMPTY_SLICE
        trusted = self.trusted
        if trusted.seen != trusted.era.number:
            trusted.renew(self.log_end_offset)
        is_trusted = offset >= trusted.since
        if not is_trusted:
            bytes_max = min(bytes_max, CHECKED_BYTES_MAX)
        first = max(0, bisect_right(self._bases, offset) - 1)
        for segment in self._segments[first:]:
            extent = segment.extent(
                offset, bytes_max=bytes_max, offset_limit=offset_limit, at_least_one=at_least_one
            )
            if extent is None:
                if not is_trusted:
                    self._check_before(segment, offset, segment.size_bytes)
                continue
            if not extent.size_bytes:
                return EMPTY_SLICE
            if not is_trusted:
                extent = self._whole(segment, extent, offset, offset_limit)
            return LogSlice((extent,), extent.size_bytes)
        return EMPTY_SLICE

    def check(self, offset: int, *, offset_limit: int) -> int:
        """Compare some of what is stored from `offset` on with its checksums, trusted or not.

        Returns the offset to go on with, `offset_limit` at the end. Raises DamagedLog, and
        OffsetOutOfRange as `read`.
        """
        self.trusted.distrust_below(self.log_end_offset)
        part = self.read(
            offset, bytes_max=CHECKED_BYTES_MAX, offset_limit=offset_limit, at_least_one=True
        )
        return self._end_of(part) if part.extents else offset_limit

    @property
    def _gaps_end(self) -> int:
        """Below it offsets may be missing; the layer that knows of compaction keeps it."""
        raise NotImplementedError

    def _whole(
        self, segment: Segment, extent: FileExtent, offset: int, offset_limit: int
    ) -> FileExtent:
        """What of that which is about to be read from `offset` on is as it was written.

        Raises DamagedLog if already the first batch is not.
        """
        read = (offset, extent.position, extent.size_bytes)
        if self.trusted.has(read):
            return extent
        data = LogSlice((extent,), extent.size_bytes).read_bytes()
        size_bytes = self._whole_bytes(data, offset, min(offset_limit, segment.next_offset))
        if read_header(data).base_offset > offset:  # A batch may be passed over for its damage.
            self._check_before(segment, offset, extent.position)
        if size_bytes == extent.size_bytes:
            self.trusted.add(read)
        return extent._replace(size_bytes=size_bytes)

    def _check_before(self, segment: Segment, offset: int, end: int) -> None:
        """Judge the batches up to a position that were taken to end before `offset`."""
        start = segment.start_for(offset)
        if start < end:
            extent = FileExtent(segment.file(), start, end - start)
            data = LogSlice((extent,), extent.size_bytes).read_bytes()
            if self._whole_bytes(data, segment.base_offset, offset) != extent.size_bytes:
                raise DamagedLog(f"{segment.log_path.name}: damaged before offset {offset}")

    def _whole_bytes(self, data: bytes, offset: int, end_offset: int) -> int:
        return whole_bytes(
            data, self._epochs, offset=offset, end_offset=end_offset, gaps_end=self._gaps_end
        )

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
