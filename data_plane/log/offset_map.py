"""The last offset of each key in the dirty part of a log, and the two loops over records behind it.

Both loops run over uncompressed records in place, with their varints inlined: compaction reads
every record of a log, and a function call per field costs two thirds of the speed
(performance.md 9). They check lengths, not everything: the batch's checksum has been verified.

A record: length, attributes int8, timestamp delta, offset delta, key length, key, value length,
value, headers; all lengths and deltas are zig-zag varints, so -1 is the one byte 1 (KIP-98).
"""

from hashlib import blake2b
from typing import Final, NamedTuple

from data_plane.log.failures import DamagedLog

KEYS_MAX: Final = 1_000_000  # About 200 MB; what does not fit waits for the next run.
RAW_KEY_BYTES_MAX: Final = 32  # Longer keys are kept as digests, one byte longer than any raw key.
_RAW_KEY_ZIGZAG_MAX: Final = 2 * RAW_KEY_BYTES_MAX
_NULL: Final = 1

Offsets = dict[bytes, int]


class Judged(NamedTuple):
    """Which records of a batch stay: byte ranges of them, none of them empty."""

    spans: list[tuple[int, int]]
    kept_count: int
    dropped_count: int
    has_tombstone: bool  # among those kept


def digest(key: bytes) -> bytes:
    """Return what stands for a long key; 264 bits do not collide."""
    return blake2b(key, digest_size=RAW_KEY_BYTES_MAX + 1).digest()


def note_keys(data: bytes, at: int, end: int, base_offset: int, offsets: Offsets) -> int:
    """Take the keys of the records in data[at:end] into the map; return how many records.

    base_offset: of their batch. Records without a key are skipped. Raises DamagedLog.
    """
    count = 0
    try:
        while at < end:
            size = data[at]
            at += 1
            if size >= 0x80:
                byte = data[at]
                at += 1
                if byte < 0x80:
                    size += (byte << 7) - 0x80
                else:
                    size, at = _long_varint(data, at - 2)
            after = at + (size >> 1)
            at += 1  # Attributes, of which none is in use.
            while data[at] >= 0x80:
                at += 1
            delta = data[at + 1]
            at += 2
            if delta >= 0x80:
                byte = data[at]
                at += 1
                if byte < 0x80:
                    delta += (byte << 7) - 0x80
                else:
                    delta, at = _long_varint(data, at - 2)
            size_of_key = data[at]
            at += 1
            if size_of_key >= 0x80:
                size_of_key, at = _long_varint(data, at - 1)
            key = data[at : at + (size_of_key >> 1)]
            if at + len(key) >= after or after > end or size & 1:
                raise _malformed(count)
            if size_of_key > _RAW_KEY_ZIGZAG_MAX:
                key = digest(key)
            if size_of_key != _NULL:
                offsets[key] = base_offset + (delta >> 1)
            at = after
            count += 1
    except IndexError:
        raise _malformed(count) from None
    return count


def judge(
    data: bytes, at: int, end: int, base_offset: int, offsets: Offsets, *, keeps_tombstones: bool
) -> Judged:
    """Say which records in data[at:end] stay: the last of each key, and tombstones while they must.

    A record without a key goes: nothing can ever supersede it. Raises DamagedLog.
    """
    spans: list[tuple[int, int]] = []
    kept = dropped = 0
    has_tombstone = False
    run_start = at
    last_offset_of = offsets.get
    try:
        while at < end:
            start = at
            size = data[at]
            at += 1
            if size >= 0x80:
                byte = data[at]
                at += 1
                if byte < 0x80:
                    size += (byte << 7) - 0x80
                else:
                    size, at = _long_varint(data, at - 2)
            after = at + (size >> 1)
            at += 1
            while data[at] >= 0x80:
                at += 1
            delta = data[at + 1]
            at += 2
            if delta >= 0x80:
                byte = data[at]
                at += 1
                if byte < 0x80:
                    delta += (byte << 7) - 0x80
                else:
                    delta, at = _long_varint(data, at - 2)
            size_of_key = data[at]
            at += 1
            if size_of_key >= 0x80:
                size_of_key, at = _long_varint(data, at - 1)
            key = data[at : at + (size_of_key >> 1)]
            at += len(key)
            if at >= after or after > end or size & 1:
                raise _malformed(kept + dropped)
            if size_of_key > _RAW_KEY_ZIGZAG_MAX:
                key = digest(key)
            is_tombstone = data[at] == _NULL
            if (
                size_of_key == _NULL
                or base_offset + (delta >> 1) < last_offset_of(key, -1)
                or (is_tombstone and not keeps_tombstones)
            ):
                if start > run_start:
                    spans.append((run_start, start))
                run_start = after
                dropped += 1
            else:
                kept += 1
                if is_tombstone:
                    has_tombstone = True
            at = after
    except IndexError:
        raise _malformed(kept + dropped) from None
    if end > run_start:
        spans.append((run_start, end))
    return Judged(spans, kept, dropped, has_tombstone)


def _long_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the zig-zag value as it is written, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _malformed(index: int) -> DamagedLog:
    return DamagedLog(f"record {index} of a batch is malformed")
