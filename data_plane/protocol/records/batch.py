"""The record batch v2 header: 61 bytes, read, checked and stamped in place (KIP-98).

A batch is opaque here: a broker rewrites its base offset and leader epoch, which lie before the
checksummed range, and never looks at the records on the ordinary path.
"""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple, cast

import crc32c

from data_plane.protocol.errors import CorruptBatch
from data_plane.protocol.primitives import INT32, INT64, UINT32, Buffer

MAGIC: Final = 2
# base offset, batch length, leader epoch, magic, crc, attributes, last offset delta, base and max
# timestamp, producer id, producer epoch, base sequence, records count
BATCH_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
BATCH_HEADER_BYTES: Final = BATCH_HEADER.size
LOG_OVERHEAD_BYTES: Final = 12  # Base offset and length, which the length does not count.
LEADER_EPOCH_AT: Final = 12
CRC_AT: Final = 17
ATTRIBUTES_AT: Final = 21  # The checksum covers everything from here on.
MAX_TIMESTAMP_AT: Final = 35

COMPRESSION_MASK: Final = 0x07
LOG_APPEND_TIME: Final = 0x08  # timestamp_type when set; create time when not.
TRANSACTIONAL: Final = 0x10
CONTROL: Final = 0x20
DELETE_HORIZON: Final = 0x40  # Compaction's horizon in the base timestamp (KIP-534).

NO_PRODUCER_ID: Final = -1
NO_PRODUCER_EPOCH: Final = -1
NO_SEQUENCE: Final = -1
NO_TIMESTAMP: Final = -1

_ATTRIBUTES: Final = struct.Struct(">h")


class BatchHeader(NamedTuple):
    """The fixed part of a batch; timestamps in Unix ms, batch_length as on the wire."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def size_bytes(self) -> int:
        """The whole batch, with its 12 bytes of offset and length."""
        return self.batch_length + LOG_OVERHEAD_BYTES

    @property
    def compression(self) -> int:
        return self.attributes & COMPRESSION_MASK

    @property
    def timestamp_type(self) -> int:
        """0 create time, 1 log append time (KIP-32)."""
        return (self.attributes & LOG_APPEND_TIME) >> 3

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)

    @property
    def has_producer_id(self) -> bool:
        return self.producer_id > NO_PRODUCER_ID

    @property
    def last_sequence(self) -> int:
        """The last record's sequence; it wraps from 2^31-1 to 0."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & 0x7FFF_FFFF


# From what BATCH_HEADER unpacks; the class itself would call back into Python for each batch.
header_from_fields: Final = cast(
    Callable[[tuple[int, ...]], BatchHeader], partial(tuple.__new__, BatchHeader)
)


def read_header(view: Buffer, at: int = 0) -> BatchHeader:
    """Return the header of the batch at `at`, which lies wholly within `view`.

    Raises CorruptBatch for a short or lying length and for another magic; the checksum is
    check_crc's affair, so that a reader of our own synced bytes need not pay for it.
    """
    try:
        header = header_from_fields(BATCH_HEADER.unpack_from(view, at))
    except struct.error:
        raise CorruptBatch(f"{len(view) - at} bytes are too few for a batch header") from None
    if header.magic != MAGIC:
        raise CorruptBatch(f"magic {header.magic} is not a v2 batch")
    if not BATCH_HEADER_BYTES <= header.size_bytes <= len(view) - at:
        raise CorruptBatch(f"a batch claims {header.size_bytes} of {len(view) - at} bytes")
    return header


def check_crc(view: Buffer, at: int, header: BatchHeader) -> None:
    """Raise CorruptBatch unless the CRC-32C of the batch at `at` is its header's."""
    if crc32c.crc32c(view[at + ATTRIBUTES_AT : at + header.size_bytes]) != header.crc:
        raise CorruptBatch("a batch failed its checksum")


def iter_batches(view: Buffer, at: int = 0) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) of batches back to back up to the end of `view`.

    Raises CorruptBatch where the rest is no whole batch.
    """
    end = len(view)
    while at < end:
        header = read_header(view, at)
        yield at, header
        at += header.size_bytes


def assign(buffer: bytearray | memoryview, at: int, base_offset: int, leader_epoch: int) -> None:
    """Give the batch at `at` its offset and epoch, in place; both lie before the checksum."""
    INT64.pack_into(buffer, at, base_offset)
    INT32.pack_into(buffer, at + LEADER_EPOCH_AT, leader_epoch)


def stamp_append_time(
    buffer: bytearray | memoryview, at: int, header: BatchHeader, now_ms: int
) -> None:
    """Make `now_ms` the time of the whole batch (LogAppendTime), in place."""
    _ATTRIBUTES.pack_into(buffer, at + ATTRIBUTES_AT, header.attributes | LOG_APPEND_TIME)
    INT64.pack_into(buffer, at + MAX_TIMESTAMP_AT, now_ms)
    crc = crc32c.crc32c(memoryview(buffer)[at + ATTRIBUTES_AT : at + header.size_bytes])
    UINT32.pack_into(buffer, at + CRC_AT, crc)
