"""Records inside a v2 batch: varints, deltas against the batch header, headers (KIP-82, KIP-98).

Brokers look in here only for compaction, look-ups by time and their own internal topics; a produce
on an ordinary topic never does.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import crc32c

from data_plane.protocol.errors import InvalidRecord
from data_plane.protocol.primitives import (
    UINT32,
    Buffer,
    DecodeError,
    read_varint,
    read_varlong,
    varint,
)
from data_plane.protocol.records import compression as codecs
from data_plane.protocol.records.batch import (
    ATTRIBUTES_AT,
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    CONTROL,
    CRC_AT,
    LOG_OVERHEAD_BYTES,
    MAGIC,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    TRANSACTIONAL,
    BatchHeader,
)

RECORD_BYTES_MIN: Final = 7  # Length, attributes, two deltas, key and value length, header count.
RECORDS_BYTES_MAX: Final = 64 * 1024 * 1024  # What one batch may decompress to.
# Nobody's client makes larger batches (librdkafka's own limit); 64 MB could hold nine times as many
# records, a kilobyte compressed, and keep the broker busy for ten seconds.
RECORDS_MAX: Final = 1_000_000


class Record(NamedTuple):
    """One record; its offset and timestamp (Unix ms) count from the batch's base values."""

    offset_delta: int
    timestamp_delta: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def decode_records(
    header: BatchHeader, payload: Buffer, *, bytes_max: int = RECORDS_BYTES_MAX
) -> list[Record]:
    """Return the records of one batch; arguments and errors as of `iter_records`."""
    return list(iter_records(header, payload, bytes_max=bytes_max))


def iter_records(
    header: BatchHeader, payload: Buffer, *, bytes_max: int = RECORDS_BYTES_MAX
) -> Iterator[Record]:
    """Yield the records of one batch, one at a time: a small batch may hold very many.

    payload: the bytes after the 61-byte header, compressed as the header says.
    bytes_max: limit on the decompressed size. Raises InvalidRecord for anything malformed: a wrong
    count, more than RECORDS_MAX, a length that lies, bytes left over.
    """
    count = header.records_count
    if count > RECORDS_MAX:
        raise InvalidRecord(f"a batch of {count} records is more than anybody may have read")
    if header.compression != codecs.NONE:
        payload = codecs.decompress(header.compression, payload, bytes_max=bytes_max)
    if not 0 <= count * RECORD_BYTES_MIN <= len(payload):
        raise InvalidRecord(f"a batch of {len(payload)} bytes claims {count} records")
    at = read = 0
    try:
        while read < count:
            record, at = _read_record(payload, at)
            read += 1
            yield record
    except (IndexError, DecodeError, UnicodeDecodeError) as failure:
        raise InvalidRecord(f"record {read}: {failure}") from None
    if at != len(payload):
        raise InvalidRecord("bytes are left over after the last record")


def _read_record(view: Buffer, at: int) -> tuple[Record, int]:
    size, at = read_varint(view, at)
    end = at + size
    if not at < end <= len(view):
        raise DecodeError("a record runs past the end of its batch")
    at += 1  # Attributes, of which none is in use.
    timestamp_delta, at = read_varlong(view, at)
    offset_delta, at = read_varint(view, at)
    key, at = _read_bytes(view, at, end)
    value, at = _read_bytes(view, at, end)
    count, at = read_varint(view, at)
    headers: Sequence[tuple[str, bytes | None]] = ()
    if count:
        headers, at = _read_headers(view, at, end, count)
    if at != end:
        raise DecodeError("a record's length is not that of its fields")
    return Record(offset_delta, timestamp_delta, key, value, headers), at


def _read_bytes(view: Buffer, at: int, end: int) -> tuple[bytes | None, int]:
    size, at = read_varint(view, at)
    if size < 0:
        return None, at
    if size > end - at:
        raise DecodeError("a field runs past the end of its record")
    return bytes(view[at : at + size]), at + size


def _read_headers(
    view: Buffer, at: int, end: int, count: int
) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    if not 0 <= count * 2 <= end - at:
        raise DecodeError(f"{count} headers cannot fit in their record")
    headers = []
    for _ in range(count):
        name, at = _read_bytes(view, at, end)
        if name is None:
            raise DecodeError("a header has no key")
        value, at = _read_bytes(view, at, end)
        headers.append((name.decode(), value))
    return tuple(headers), at


def encode_batch(
    records: Iterable[Record],
    *,
    base_timestamp_ms: int,
    base_offset: int = 0,
    partition_leader_epoch: int = -1,
    compression: int = codecs.NONE,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    is_transactional: bool = False,
    is_control: bool = False,
) -> bytes:
    """Return one batch with its checksum.

    records: at least one, by ascending offset_delta. The greatest timestamp is taken from them.
    """
    body = bytearray()
    count = last_offset_delta = 0
    max_timestamp = -1
    for record in records:
        encoded = _encode_record(record)
        body += varint(len(encoded))
        body += encoded
        count += 1
        last_offset_delta = record.offset_delta
        max_timestamp = max(max_timestamp, base_timestamp_ms + record.timestamp_delta)
    if not count:
        raise ValueError("a batch without records")
    payload = body if compression == codecs.NONE else codecs.compress(compression, body)
    attributes = compression | (TRANSACTIONAL * is_transactional) | (CONTROL * is_control)
    batch = bytearray(BATCH_HEADER_BYTES)
    BATCH_HEADER.pack_into(
        batch,
        0,
        base_offset,
        BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES + len(payload),
        partition_leader_epoch,
        MAGIC,
        0,
        attributes,
        last_offset_delta,
        base_timestamp_ms,
        max_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        count,
    )
    batch += payload
    UINT32.pack_into(batch, CRC_AT, crc32c.crc32c(memoryview(batch)[ATTRIBUTES_AT:]))
    return bytes(batch)


def _encode_record(record: Record) -> bytes:
    parts = [b"\0", varint(record.timestamp_delta), varint(record.offset_delta)]
    for field in (record.key, record.value):
        if field is None:
            parts.append(b"\x01")  # Zig-zag -1.
        else:
            parts += (varint(len(field)), field)
    parts.append(varint(len(record.headers)))
    for name, value in record.headers:
        encoded = name.encode()
        parts += (varint(len(encoded)), encoded)
        parts += (b"\x01",) if value is None else (varint(len(value)), value)
    return b"".join(parts)
