"""What recovery need not read again of a large active segment.

Its indexes are in memory until it is rolled, so after kill -9 each of its batches would be read for
them: four seconds for 1 GB of 1 KB batches. With the checkpoint goes a note of what the appends up
to the recovery point had made of the segment; recovery reads on from there.

File `resume`: magic `OTRl` or `OTRb` for the byte order of the machine that wrote it (another one
does without), CRC-32C of the body, then in that order _FIXED, the last batch's header as it is in
the log, and each behind its length int32: offsets and positions of the offset index, timestamps and
offsets of the time index, the transaction index, the leader epochs and the producers, the last
three as in their own files. It is replaced without a sync: an older one, or none, only makes
recovery read more. That the log is still the one it speaks of is told by the last batch: an offset
and a leader epoch are given to one batch only, and what lies before it is then the same as well.
"""

import struct
import sys
from array import array
from collections.abc import Iterator
from pathlib import PurePath
from typing import NamedTuple

import crc32c

from data_plane.log.failures import DamagedLog
from data_plane.log.files import File, Files, read_whole, replace_unsynced
from data_plane.log.leader_epochs import LeaderEpochs, decode_leader_epochs
from data_plane.log.offset_index import OffsetIndex
from data_plane.log.producer_state import ProducerStates, decode_producer_states
from data_plane.log.scan import headers
from data_plane.log.segment import Segment, SegmentState
from data_plane.log.time_index import TimeIndex
from data_plane.log.txn_index import decode_txn_index
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES

NAME = "resume"

_MAGIC = b"OTRl" if sys.byteorder == "little" else b"OTRb"
_CRC = struct.Struct("=I")
# base offset, next offset, size in bytes, position of the last batch, latest timestamp (ms), the
# last offset of the batch that holds it, bytes since the last index entry
_FIXED = struct.Struct("=7q")
_LENGTH = struct.Struct("=i")
_TYPES = "iiqi"  # of the arrays, as the indexes have them


class ResumePoint(NamedTuple):
    """The active segment, the epochs and the producers as of the segment's `next_offset`."""

    segment: SegmentState
    epochs: LeaderEpochs
    producers: ProducerStates

    @property
    def offset(self) -> int:
        return self.segment.next_offset


def encode_resume_point(segment: Segment, epochs: LeaderEpochs, producers: ProducerStates) -> bytes:
    """Return the content of a note of the segment as it is now; empty if it holds no batch, or its
    end cannot be read.
    """
    state = segment.state()
    found = None if state is None else _last_batch(segment.file(), state)
    if state is None or found is None:
        return b""
    position, header = found
    fixed = _FIXED.pack(
        state.base_offset,
        state.next_offset,
        state.size_bytes,
        position,
        state.max_timestamp_ms,
        state.max_offset,
        state.bytes_since_entry,
    )
    parts = [
        *(one.tobytes() for one in (*state.offset_index.arrays, *state.time_index.arrays)),
        state.txn_index.encode(),
        epochs.encode(),
        producers.encode(),
    ]
    lengths = (_LENGTH.pack(len(part)) for part in parts)
    body = b"".join(
        [fixed, header, *(x for pair in zip(lengths, parts, strict=True) for x in pair)]
    )
    return _MAGIC + _CRC.pack(crc32c.crc32c(body)) + body


def _last_batch(file: File, state: SegmentState) -> tuple[int, bytes] | None:
    """Return position and header of the last batch; it lies shortly behind the last index entry."""
    start = state.offset_index.last or (0, 0)
    try:
        position = max(position for position, _ in headers(file, start[1], state.size_bytes))
        return position, file.read(position, BATCH_HEADER_BYTES)
    except (DamagedLog, OSError):
        return None


def write_resume_point(files: Files, directory: PurePath, content: bytes) -> list[PurePath]:
    """Replace the note, un-synced, and return what was written: nothing if the content is empty.

    Raises OSError.
    """
    if not content:
        return []
    path = directory / NAME
    replace_unsynced(files, path, content)
    return [path]


def remove_resume_point(files: Files, directory: PurePath) -> None:
    """Its segment is closed: what it says is in files of the segment's own."""
    if files.exists(directory / NAME):
        files.remove(directory / NAME)


def read_resume_point(files: Files, directory: PurePath, segment: Segment) -> ResumePoint | None:
    """Return what a note says of a segment, None unless the segment still is what it speaks of."""
    try:
        content = read_whole(files, directory / NAME)
        return None if content is None else _decode(content, segment)
    except (OSError, ValueError, struct.error):
        return None


def _decode(content: bytes, segment: Segment) -> ResumePoint | None:
    """Raises ValueError, struct.error or OSError for what is not whole or cannot be read."""
    body = memoryview(content)[len(_MAGIC) + _CRC.size :]
    if content[: len(_MAGIC) + _CRC.size] != _MAGIC + _CRC.pack(crc32c.crc32c(body)):
        return None
    base, end, size_bytes, position, latest_ms, latest, since = _FIXED.unpack_from(body)
    header = body[_FIXED.size : _FIXED.size + BATCH_HEADER_BYTES]
    if base != segment.base_offset or size_bytes > segment.size_bytes:
        return None
    if not _has_batch(segment.file(), position, header):
        return None
    *arrays, txn_index, epochs, producers = _parts(body[_FIXED.size + BATCH_HEADER_BYTES :])
    offsets, positions, timestamps, relative = (
        array(kind, bytes(one)) for kind, one in zip(_TYPES, arrays, strict=True)
    )
    state = SegmentState(
        base_offset=base,
        next_offset=end,
        size_bytes=size_bytes,
        max_timestamp_ms=latest_ms,
        max_offset=latest,
        bytes_since_entry=since,
        offset_index=OffsetIndex(offsets, positions),
        time_index=TimeIndex(timestamps, relative),
        txn_index=decode_txn_index(bytes(txn_index), base, end),
    )
    return ResumePoint(
        state, decode_leader_epochs(bytes(epochs)), decode_producer_states(bytes(producers))
    )


def _has_batch(file: File, position: int, header: memoryview) -> bool:
    return file.read(position, BATCH_HEADER_BYTES) == header


def _parts(body: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(body):
        (length,) = _LENGTH.unpack_from(body, at)
        yield body[at + _LENGTH.size : at + _LENGTH.size + length]
        at += _LENGTH.size + length
