"""One segment of a log: a .log file named by its base offset, beside its indexes.

The .log file is Kafka's: v2 batches back to back. The indexes live in memory while the segment is
active; their files are written when it is rolled or closed and can always be rebuilt from the log.
"""

import errno
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import PurePath
from typing import Final, NamedTuple, cast

from data_plane.log.failures import DamagedLog, DiskFull, LogFailure
from data_plane.log.files import Bytes, File, Files, read_whole, replace_unsynced
from data_plane.log.offset_index import (
    ENTRY_BYTES,
    RELATIVE_OFFSET_MAX,
    OffsetIndex,
    decode_offset_index,
)
from data_plane.log.scan import headers
from data_plane.log.time_index import TimeIndex, decode_time_index
from data_plane.log.txn_index import TxnIndex, decode_txn_index
from data_plane.protocol.records.batch import BatchHeader

HINTS_MAX = 64
REBUILD_WINDOW_BYTES = 64 << 10
NO_TIMESTAMP = -1
FULL = (errno.ENOSPC, errno.EDQUOT)

LOG, INDEX, TIME_INDEX, SNAPSHOT = ".log", ".index", ".timeindex", ".snapshot"
TXN_INDEX = ".txnindex"
SUFFIXES = (LOG, INDEX, TIME_INDEX, TXN_INDEX, SNAPSHOT)  # all that carry the base offset's name
DELETED = ".deleted"


def segment_path(directory: PurePath, base_offset: int, suffix: str) -> PurePath:
    return directory / f"{base_offset:020d}{suffix}"


class FileExtent(NamedTuple):
    """Bytes of a file, to be sent or read."""

    file: File
    position: int
    size_bytes: int


class StagedBatch(NamedTuple):
    """A batch with its offsets, waiting for the turn's write."""

    data: Bytes
    size_bytes: int
    base_offset: int
    last_offset: int
    leader_epoch: int
    max_timestamp_ms: int


# The class itself would call back into Python for each batch.
staged_batch: Final = cast(
    Callable[[tuple[Bytes, int, int, int, int, int]], StagedBatch],
    partial(tuple.__new__, StagedBatch),
)


class SegmentState(NamedTuple):
    """What appends up to `next_offset`, `size_bytes` of log, have made of a segment."""

    base_offset: int
    next_offset: int
    size_bytes: int
    max_timestamp_ms: int
    max_offset: int
    bytes_since_entry: int
    offset_index: OffsetIndex
    time_index: TimeIndex
    txn_index: TxnIndex


class Segment:
    """One .log file and what is known about it."""

    __slots__ = (
        "_bytes_since_entry",
        "_directory",
        "_files",
        "_hints",
        "_is_from_files",
        "_max_offset",
        "_max_timestamp_ms",
        "_offset_index",
        "_time_index",
        "base_offset",
        "created_ms",
        "index_interval_bytes",
        "log_path",
        "next_offset",
        "size_bytes",
        "txn_index",
    )

    def __init__(
        self,
        files: Files,
        directory: PurePath,
        base_offset: int,
        *,
        next_offset: int,
        size_bytes: int,
        created_ms: int,
        index_interval_bytes: int,
    ) -> None:
        """A segment whose file exists; its indexes are loaded, or rebuilt, when first needed."""
        self._files = files
        self._directory = directory
        self.base_offset = base_offset
        self.log_path = segment_path(directory, base_offset, LOG)
        self.next_offset = next_offset
        self.size_bytes = size_bytes
        self.created_ms = created_ms  # of its first append in this process; rolls by segment.ms
        self.index_interval_bytes = index_interval_bytes
        self._offset_index: OffsetIndex | None = None
        self._time_index = TimeIndex()
        self._max_timestamp_ms = NO_TIMESTAMP
        self._max_offset = base_offset
        self._bytes_since_entry = 0
        self._is_from_files = False  # Then its entries are compared with the log when used.
        self._hints: dict[int, int] = {}  # offset -> position of the batch that starts there
        self.txn_index: TxnIndex | None = None  # None: not read yet

    @property
    def max_timestamp_ms(self) -> int:
        """The latest timestamp in the segment, -1 if it is empty."""
        self.offset_index  # noqa: B018  Loading it is what makes the figure known.
        return self._max_timestamp_ms

    @property
    def offset_index(self) -> OffsetIndex:
        if self._offset_index is None:
            self._load_indexes()
        assert self._offset_index is not None
        return self._offset_index

    @property
    def time_index(self) -> TimeIndex:
        self.offset_index  # noqa: B018 - reading it loads it
        return self._time_index

    def file(self) -> File:
        return self._files.open(self.log_path)

    # Writing.

    def has_room(
        self, last_offset: int, size_bytes: int, segment_bytes: int, index_bytes_max: int
    ) -> bool:
        """Say whether it may grow to an offset and a size."""
        if last_offset - self.base_offset > RELATIVE_OFFSET_MAX:
            return False
        index = self._offset_index
        if index is None:
            index = self.offset_index
        return size_bytes <= segment_bytes and index.size_bytes + ENTRY_BYTES <= index_bytes_max

    def append(self, batches: Sequence[StagedBatch], size_bytes: int) -> None:
        """Write batches, `size_bytes` together, with one call.

        Raises DiskFull, the file then as before, or LogFailure.
        """
        try:
            self.file().append([batch[0] for batch in batches], size_bytes)
        except OSError as error:
            self._undo_append(error)
        self._hint(batches[0].base_offset, self.size_bytes)
        for _, batch_bytes, _, last_offset, _, max_timestamp_ms in batches:
            self.note(self.size_bytes, batch_bytes, last_offset, max_timestamp_ms)

    def _undo_append(self, error: OSError) -> None:
        """Cut off what a failed write left behind, then say what the failure means."""
        if error.errno not in FULL:
            raise LogFailure(self.log_path, "write", error) from error
        try:
            self.file().truncate(self.size_bytes)
        except OSError as worse:
            raise LogFailure(self.log_path, "truncate", worse) from worse
        raise DiskFull(f"no room for {self.log_path.name}") from error

    def note(self, position: int, size_bytes: int, last_offset: int, max_timestamp_ms: int) -> None:
        """Take one batch that lies at `position` into size, end and indexes."""
        if max_timestamp_ms > self._max_timestamp_ms:
            self._max_timestamp_ms, self._max_offset = max_timestamp_ms, last_offset
        if self._bytes_since_entry > self.index_interval_bytes:
            self.offset_index.append(last_offset - self.base_offset, position)
            self._note_max_timestamp()
            self._bytes_since_entry = 0
        self._bytes_since_entry += size_bytes
        self.size_bytes = position + size_bytes
        self.next_offset = last_offset + 1

    def _note_max_timestamp(self) -> None:
        if self._max_timestamp_ms != NO_TIMESTAMP:
            self._time_index.append(self._max_timestamp_ms, self._max_offset - self.base_offset)

    def begin_indexes(self) -> None:
        """Start with empty indexes: a new segment, or one that is scanned again."""
        self._offset_index, self._time_index = OffsetIndex(), TimeIndex()
        self._is_from_files = False
        self._max_timestamp_ms, self._max_offset = NO_TIMESTAMP, self.base_offset
        self._bytes_since_entry = 0
        self._hints.clear()

    def state(self) -> SegmentState | None:
        """Return what is known of the batches, to be read only; None if there are none."""
        if not self.size_bytes or self.txn_index is None:
            return None
        index = self.offset_index  # Loading it is what makes the others known.
        return SegmentState(
            self.base_offset,
            self.next_offset,
            self.size_bytes,
            self._max_timestamp_ms,
            self._max_offset,
            self._bytes_since_entry,
            index,
            self._time_index,
            self.txn_index,
        )

    def resume(self, state: SegmentState) -> None:
        """Go on from what appends had made of this segment."""
        self._offset_index, self._time_index = state.offset_index, state.time_index
        self._is_from_files = False  # The note has a checksum.
        self._max_timestamp_ms, self._max_offset = state.max_timestamp_ms, state.max_offset
        self._bytes_since_entry = state.bytes_since_entry
        self.size_bytes, self.next_offset = state.size_bytes, state.next_offset
        self.txn_index = state.txn_index
        self._hints.clear()

    def encode_indexes(self) -> dict[str, bytes]:
        """Return the content of the offset and the time index by suffix."""
        index = self.offset_index
        self._note_max_timestamp()  # So the last entry is the segment's latest timestamp.
        return {INDEX: index.encode(), TIME_INDEX: self._time_index.encode()}

    def write_indexes(self) -> list[PurePath]:
        """Write the index files, un-synced; return their paths."""
        contents = self.encode_indexes()
        if self.txn_index:
            contents[TXN_INDEX] = self.txn_index.encode()
        elif self.txn_index is not None:
            self._remove_txn_index()
        paths = [segment_path(self._directory, self.base_offset, suffix) for suffix in contents]
        for path, content in zip(paths, contents.values(), strict=True):
            replace_unsynced(self._files, path, content)
        return paths

    def _remove_txn_index(self) -> None:
        """An index file of an earlier close may name what was truncated since."""
        path = segment_path(self._directory, self.base_offset, TXN_INDEX)
        if self._files.exists(path):
            self._files.remove(path)

    def load_txn_index(self) -> bool:
        """Read the transaction index file into `txn_index`; False if it is damaged.

        Without a file there is no aborted transaction: one is written, and synced, before recovery
        takes the segment as it is.
        """
        path = segment_path(self._directory, self.base_offset, TXN_INDEX)
        try:
            content = read_whole(self._files, path)
            self.txn_index = (
                TxnIndex()
                if content is None
                else decode_txn_index(content, self.base_offset, self.next_offset)
            )
        except (ValueError, OSError):  # What cannot be read can be made anew from the log.
            return False
        return True

    def end_of(self, extent: FileExtent) -> int:
        """Return the offset at which an extent of this segment ends, exclusive."""
        end = extent.position + extent.size_bytes
        for _, header in headers(self.file(), end, self.size_bytes):
            return header.base_offset
        return self.next_offset

    def truncate(self, position: int, next_offset: int) -> None:
        """Cut the file at a batch start. Raises LogFailure: a log half cut may not go on."""
        index = self.offset_index
        try:
            self.file().truncate(position)
        except OSError as error:
            raise LogFailure(self.log_path, "truncate", error) from error
        self.size_bytes, self.next_offset = position, next_offset
        self._hints.clear()
        index.truncate(position)
        self._time_index.truncate(next_offset - self.base_offset)
        if self.txn_index is not None:
            self.txn_index.truncate(next_offset)
        self._resume_indexes()

    def rebuild(self) -> None:
        """Make the indexes anew from the log file."""
        self.begin_indexes()
        self._resume_indexes()

    def _resume_indexes(self) -> None:
        """Take in what lies behind the last index entry, as the appends did at the time."""
        size_bytes, next_offset = self.size_bytes, self.next_offset
        last = self.offset_index.last
        start = last[1] if last is not None else 0
        self._take_maximum()
        self._bytes_since_entry = 0
        for position, header in headers(self.file(), start, size_bytes, REBUILD_WINDOW_BYTES):
            self._check_offset(header, next_offset)
            self.note(position, header.size_bytes, header.last_offset, header.max_timestamp)
        self.size_bytes, self.next_offset = size_bytes, next_offset

    def _take_maximum(self) -> None:
        """Let the last time index entry be the latest timestamp known."""
        timestamp_ms, relative_offset = self._time_index.last or (NO_TIMESTAMP, 0)
        self._max_timestamp_ms = timestamp_ms
        self._max_offset = self.base_offset + relative_offset

    def _load_indexes(self) -> None:
        """Read the index files of a segment that is not active; rebuild them if they are off."""
        try:
            offsets, times = self._read_index(INDEX), self._read_index(TIME_INDEX)
            index = decode_offset_index(offsets, self.size_bytes)
            time_index = decode_time_index(times, self.next_offset - self.base_offset)
        except (ValueError, OSError):
            self.rebuild()
            return
        self._offset_index, self._time_index = index, time_index
        self._is_from_files = True
        self._take_maximum()
        self._bytes_since_entry = self.size_bytes - (index.last[1] if index.last else 0)
        has_maximum = time_index.last is not None or not self.size_bytes
        if not (self._is_entry(index.last) and has_maximum and self._is_time(time_index.last)):
            self.rebuild()
        else:
            self._check_end(index)

    def _check_end(self, index: OffsetIndex) -> None:
        """Raise DamagedLog unless the batches behind the last entry end where the file does."""
        start = index.last[1] if index.last is not None else 0
        for _, header in headers(self.file(), start, self.size_bytes):
            self._check_offset(header, self.next_offset)

    def _check_offset(self, header: BatchHeader, next_offset: int) -> None:
        """Raise DamagedLog for a batch whose offsets are not this segment's."""
        if not self.base_offset <= header.base_offset <= header.last_offset < next_offset:
            raise DamagedLog(f"{self.log_path}: offset {header.base_offset} lies outside of it")

    def _is_entry(self, entry: tuple[int, int] | None) -> bool:
        """Compare an index entry with the batch it names: entries carry no checksum."""
        if entry is None or entry[0] < 0:
            return True
        try:
            _, header = next(headers(self.file(), entry[1], self.size_bytes))
        except DamagedLog:
            return False
        return header.last_offset == self.base_offset + entry[0]

    def _is_time(self, entry: tuple[int, int] | None) -> bool:
        """Compare a time index entry with the batch it names."""
        if entry is None:
            return True
        try:
            found = self.find(self.base_offset + entry[1])
        except DamagedLog:
            return False
        return found is not None and found[1].max_timestamp == entry[0]

    def _read_index(self, suffix: str) -> bytes:
        content = read_whole(self._files, segment_path(self._directory, self.base_offset, suffix))
        if content is None:
            raise ValueError("the index file is missing")
        return content

    # Reading.

    def start_for(self, offset: int) -> int:
        """Return the position of a batch at or shortly before the one that holds `offset`."""
        entry = self.offset_index.floor_offset(offset - self.base_offset)
        if self._is_from_files and not self._is_entry(entry):
            self.rebuild()
            entry = self.offset_index.floor_offset(offset - self.base_offset)
        return entry[1]

    def start_for_time(self, timestamp_ms: int) -> int:
        """Return the position of a batch before which every record is earlier than a time."""
        entry = self.time_index.floor_time(timestamp_ms)
        if self._is_from_files and not self._is_time(entry):
            self.rebuild()
            entry = self.time_index.floor_time(timestamp_ms)
        return 0 if entry is None else self.start_for(self.base_offset + entry[1])

    def find(self, offset: int) -> tuple[int, BatchHeader] | None:
        """Return (position, header) of the first batch that ends at or after `offset`."""
        for position, header in headers(self.file(), self.start_for(offset), self.size_bytes):
            if header.last_offset >= offset:
                return position, header
        return None

    def extent(
        self, offset: int, *, bytes_max: int, offset_limit: int, at_least_one: bool
    ) -> FileExtent | None:
        """Return whole batches from the one that holds `offset` on; None if it lies after all.

        Only batches that end below `offset_limit` count, so the extent may be empty.
        """
        start = self._hints.get(offset)
        if start is None or start >= self.size_bytes:  # What was behind it is compacted away.
            found = self.find(offset)
            if found is None:
                return None
            start = found[0]
        end = self.size_bytes
        if offset_limit < self.next_offset:
            beyond = self.find(offset_limit)
            end = max(start, beyond[0] if beyond is not None else end)
        if end - start > bytes_max:
            end = self._aligned_end(start, start + bytes_max, end, at_least_one)
        return FileExtent(self.file(), start, end - start)

    def _aligned_end(self, start: int, wanted: int, end: int, at_least_one: bool) -> int:
        """Return the last batch boundary up to `wanted`, but behind the first batch if need be."""
        entry = self.offset_index.floor_position(wanted)
        if self._is_from_files and not self._is_entry(entry):
            self.rebuild()
            entry = self.offset_index.floor_position(wanted)
        aligned = max(start, entry[1])
        for position, header in headers(self.file(), aligned, end):
            after = position + header.size_bytes
            if after > wanted and not (at_least_one and position == start):
                break
            aligned = after
            self._hint(header.next_offset, after)
            if after > wanted:
                break
        return aligned

    def _hint(self, offset: int, position: int) -> None:
        """Remember where a batch starts: the next fetch of somebody who reads along asks it."""
        if len(self._hints) >= HINTS_MAX:
            self._hints.clear()
        self._hints[offset] = position
