"""Fetch v4-12 parsed and answered without a field object (performance.md 12.3).

A test compares both directions with the generic codec of messages/fetch.py.
"""

import struct
from typing import NamedTuple

from data_plane.protocol.primitives import DecodeError, read_uvarint, skip_tags, uvarint

FLEXIBLE_FROM = 12

_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_FIXED = struct.Struct(">iiiib")  # replica id, max wait, min bytes, max bytes, isolation level
_SESSION = struct.Struct(">ii")  # session id, session epoch
# index, [current leader epoch], fetch offset, [last fetched epoch], [log start], max bytes
_PARTITION_V4 = struct.Struct(">iqi")
_PARTITION_V5 = struct.Struct(">iqqi")
_PARTITION_V9 = struct.Struct(">iiqqi")
_PARTITION_V12 = struct.Struct(">iiqiqi")

_HEAD_V1 = struct.Struct(">i")  # throttle time
_HEAD_V7 = struct.Struct(">ihi")  # throttle time, error, session id
_RESULT_V4 = struct.Struct(">ihqq")  # index, error, high watermark, last stable offset
_RESULT_V5 = struct.Struct(">ihqqq")  # ... log start offset

NO_ABORTED_FIXED = _INT32.pack(-1)  # null: read_uncommitted needs no list
NO_PREFERRED_REPLICA = _INT32.pack(-1)


class FetchPartition(NamedTuple):
    index: int
    current_leader_epoch: int
    fetch_offset: int
    partition_max_bytes: int


class FetchCall(NamedTuple):
    """topics: [(topic name, [FetchPartition])]; forgotten topics belong to sessions: left out."""

    replica_id: int
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation_level: int
    session_id: int
    session_epoch: int
    topics: list[tuple[str, list[FetchPartition]]]


class FetchResult(NamedTuple):
    """One partition's answer up to its records, whose size is `records_bytes`."""

    index: int
    error_code: int
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1


def read_fetch(view: memoryview, version: int) -> FetchCall:
    """Raises DecodeError."""
    try:
        return _read(view, version)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise DecodeError(f"fetch request: {error}") from None


def _read(view: memoryview, version: int) -> FetchCall:
    replica_id, max_wait_ms, min_bytes, max_bytes, isolation_level = _FIXED.unpack_from(view, 0)
    at = _FIXED.size
    session_id, session_epoch = 0, -1
    if version >= 7:
        session_id, session_epoch = _SESSION.unpack_from(view, at)
        at += _SESSION.size
    is_flexible = version >= FLEXIBLE_FROM
    topics = []
    topic_count, at = _count(view, at, is_flexible)
    for _ in range(topic_count):
        name, at = _name(view, at, is_flexible)
        partition_count, at = _count(view, at, is_flexible)
        partitions = []
        for _ in range(partition_count):
            partition, at = _read_partition(view, at, version)
            partitions.append(partition)
            if is_flexible:
                at = skip_tags(view, at)
        if is_flexible:
            at = skip_tags(view, at)
        topics.append((name, partitions))
    return FetchCall(
        replica_id,
        max_wait_ms,
        min_bytes,
        max_bytes,
        isolation_level,
        session_id,
        session_epoch,
        topics,
    )


def _read_partition(view: memoryview, at: int, version: int) -> tuple[FetchPartition, int]:
    if version >= 12:
        index, epoch, offset, _, _, bytes_max = _PARTITION_V12.unpack_from(view, at)
        return FetchPartition(index, epoch, offset, bytes_max), at + _PARTITION_V12.size
    if version >= 9:
        index, epoch, offset, _, bytes_max = _PARTITION_V9.unpack_from(view, at)
        return FetchPartition(index, epoch, offset, bytes_max), at + _PARTITION_V9.size
    if version >= 5:
        index, offset, _, bytes_max = _PARTITION_V5.unpack_from(view, at)
        return FetchPartition(index, -1, offset, bytes_max), at + _PARTITION_V5.size
    index, offset, bytes_max = _PARTITION_V4.unpack_from(view, at)
    return FetchPartition(index, -1, offset, bytes_max), at + _PARTITION_V4.size


def _count(view: memoryview, at: int, is_flexible: bool) -> tuple[int, int]:
    if is_flexible:
        count, at = read_uvarint(view, at)
        return count - 1, at
    (count,) = _INT32.unpack_from(view, at)
    return count, at + 4


def _name(view: memoryview, at: int, is_flexible: bool) -> tuple[str, int]:
    if is_flexible:
        size, at = read_uvarint(view, at)
        size -= 1
    else:
        (size,) = _INT16.unpack_from(view, at)
        at += 2
    if size < 0 or at + size > len(view):
        raise DecodeError("topic name is null or runs past the end of the request")
    return str(view[at : at + size], "utf-8"), at + size


def write_head(version: int, error_code: int, topic_count: int) -> bytearray:
    """Throttle time 0, session id 0: every client then sends full fetches (KIP-227)."""
    out = bytearray(
        _HEAD_V7.pack(0, error_code, 0) if version >= 7 else _HEAD_V1.pack(0)
    )
    out += _count_bytes(version, topic_count)
    return out


def write_topic(out: bytearray, version: int, name: str, partition_count: int) -> None:
    raw = name.encode()
    if version >= FLEXIBLE_FROM:
        out += uvarint(len(raw) + 1)
    else:
        out += _INT16.pack(len(raw))
    out += raw
    out += _count_bytes(version, partition_count)


def write_result(out: bytearray, version: int, result: FetchResult, records_bytes: int) -> None:
    """Everything before the records themselves, their size included."""
    if version >= 5:
        out += _RESULT_V5.pack(*result)
    else:
        out += _RESULT_V4.pack(*result[:4])
    if version >= FLEXIBLE_FROM:
        out += b"\0" + NO_PREFERRED_REPLICA + uvarint(records_bytes + 1)
        return
    out += NO_ABORTED_FIXED
    if version >= 11:
        out += NO_PREFERRED_REPLICA
    out += _INT32.pack(records_bytes)


def write_end(out: bytearray, version: int) -> None:
    """Behind the records of a partition, behind a topic and behind the whole: no tagged fields."""
    if version >= FLEXIBLE_FROM:
        out.append(0)


def _count_bytes(version: int, count: int) -> bytes:
    return uvarint(count + 1) if version >= FLEXIBLE_FROM else _INT32.pack(count)
