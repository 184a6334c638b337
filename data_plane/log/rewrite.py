"""Make the batch that compaction leaves of another: same offsets and sequences, fewer records.

The base offset and the last offset delta stay, so that the producer's last sequence is still told
and a reader skips to the same next offset. Source: KIP-98, KIP-534.
"""

from collections.abc import Callable

import crc32c

from data_plane.protocol.primitives import UINT32, read_varint, read_varlong, varint
from data_plane.protocol.records import compression as codecs
from data_plane.protocol.records.batch import (
    ATTRIBUTES_AT,
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    COMPRESSION_MASK,
    CRC_AT,
    DELETE_HORIZON,
    LOG_OVERHEAD_BYTES,
    NO_TIMESTAMP,
    BatchHeader,
)


def empty_batch(header: BatchHeader) -> bytes:
    """Return the batch without a record: what is left of a producer's last one."""
    attributes = header.attributes & ~(COMPRESSION_MASK | DELETE_HORIZON)
    return _packed(
        header._replace(
            attributes=attributes,
            base_timestamp=NO_TIMESTAMP,
            max_timestamp=NO_TIMESTAMP,  # No record has it: a look-up by time must not find it.
            records_count=0,
        ),
        b"",
    )


def smaller_batch(
    header: BatchHeader, records: bytes, records_count: int, *, horizon_ms: int | None
) -> bytes:
    """Return a batch of some of the records, compressed as before.

    records: uncompressed, as they lay in the batch. horizon_ms: when its tombstones or its marker
    may go, to be kept in the base timestamp with attribute bit 6; None leaves both as they are.
    """
    if horizon_ms is not None:
        records = _moved(records, header.base_timestamp - horizon_ms)
        header = header._replace(
            attributes=header.attributes | DELETE_HORIZON, base_timestamp=horizon_ms
        )
    if not header.timestamp_type:
        header = header._replace(max_timestamp=_max_timestamp(header.base_timestamp, records))
    payload = records
    if header.compression != codecs.NONE:
        payload = codecs.compress(header.compression, records)
    return _packed(header._replace(records_count=records_count), payload)


def recompressed(header: BatchHeader, records: bytes, codec: int) -> bytes:
    """Return the same batch in another codec; records: uncompressed."""
    attributes = header.attributes & ~COMPRESSION_MASK | codec
    return _packed(header._replace(attributes=attributes), codecs.compress(codec, records))


def _packed(header: BatchHeader, payload: bytes) -> bytes:
    batch = bytearray(BATCH_HEADER_BYTES)
    length = BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES + len(payload)
    BATCH_HEADER.pack_into(batch, 0, *header._replace(batch_length=length))
    batch += payload
    UINT32.pack_into(batch, CRC_AT, crc32c.crc32c(memoryview(batch)[ATTRIBUTES_AT:]))
    return bytes(batch)


def _max_timestamp(base_ms: int, records: bytes) -> int:
    latest_ms = NO_TIMESTAMP
    at = 0
    while at < len(records):
        size, at = read_varint(records, at)
        delta_ms, _ = read_varlong(records, at + 1)
        latest_ms = max(latest_ms, base_ms + delta_ms)
        at += size
    return latest_ms


def _moved(records: bytes, by_ms: int) -> bytes:
    """Return the records with every timestamp delta raised by `by_ms`, the rest untouched."""
    moved: list[bytes] = []
    note: Callable[[bytes], None] = moved.append
    at = 0
    while at < len(records):
        size, start = read_varint(records, at)
        at = start + size
        delta_ms, behind = read_varlong(records, start + 1)
        body = records[start : start + 1] + varint(delta_ms + by_ms) + records[behind:at]
        note(varint(len(body)))
        note(body)
    return b"".join(moved)
