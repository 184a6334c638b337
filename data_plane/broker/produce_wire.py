"""Produce v3-11 parsed in place and answered without a field object (performance.md 12.3).

A test compares both directions with the generic codec of messages/produce.py.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from data_plane.protocol.primitives import DecodeError, read_uvarint, skip_tags, uvarint

FLEXIBLE_FROM = 9
NO_SIZE = -1

_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_FIXED = struct.Struct(">hii")  # acks, timeout, topic count (fixed versions)
_FLEXIBLE = struct.Struct(">hi")  # acks, timeout
_PARTITION = struct.Struct(">ii")  # index, records size
_RESULT = struct.Struct(">ihqqq")  # index, error, base offset, append time, log start
_RESULT_V4 = struct.Struct(">ihqq")  # ... without the log start offset


class ProduceCall(NamedTuple):
    """acks, timeout_ms, then (topic name, [(partition index, start, end)]); end < 0: null."""

    transactional_id: str | None
    acks: int
    timeout_ms: int
    topics: Sequence[tuple[str, Sequence[tuple[int, int, int]]]]


class PartitionResult:
    """What one partition answers; filled in while the request is parked."""

    __slots__ = (
        "base_offset",
        "error_code",
        "index",
        "log_append_time_ms",
        "log_start_offset",
        "message",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.error_code = 0
        self.base_offset = -1
        self.log_append_time_ms = -1
        self.log_start_offset = -1
        self.message: str | None = None

    def fail(self, error_code: int, message: str | None) -> None:
        self.error_code = error_code
        self.message = message
        self.base_offset = self.log_append_time_ms = self.log_start_offset = -1


Results = Sequence[tuple[str, Sequence[PartitionResult]]]


def read_produce(view: memoryview, version: int) -> ProduceCall:
    """Positions of each partition's records in `view`. Raises DecodeError."""
    try:
        return _read_flexible(view) if version >= FLEXIBLE_FROM else _read_fixed(view)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise DecodeError(f"produce request: {error}") from None


def _read_fixed(view: memoryview) -> ProduceCall:
    transactional_id, at = _nullable_string(view, 0)
    acks, timeout_ms, topic_count = _FIXED.unpack_from(view, at)
    at += _FIXED.size
    end_of_view = len(view)
    topics = []
    for _ in range(topic_count):
        name, at = _nullable_string(view, at)
        if name is None:
            raise DecodeError("topic name is null")
        (partition_count,) = _INT32.unpack_from(view, at)
        at += 4
        partitions = []
        for _ in range(partition_count):
            index, size = _PARTITION.unpack_from(view, at)
            at += 8
            end = at + size if size >= 0 else NO_SIZE
            if end > end_of_view:
                raise DecodeError("records run past the end of the request")
            partitions.append((index, at, end))
            at = max(at, end)
        topics.append((name, partitions))
    return ProduceCall(transactional_id, acks, timeout_ms, topics)


def _read_flexible(view: memoryview) -> ProduceCall:
    transactional_id, at = _compact_string(view, 0)
    acks, timeout_ms = _FLEXIBLE.unpack_from(view, at)
    topic_count, at = read_uvarint(view, at + _FLEXIBLE.size)
    end_of_view = len(view)
    topics = []
    for _ in range(topic_count - 1):
        name, at = _compact_string(view, at)
        if name is None:
            raise DecodeError("topic name is null")
        partition_count, at = read_uvarint(view, at)
        partitions = []
        for _ in range(partition_count - 1):
            (index,) = _INT32.unpack_from(view, at)
            size, at = read_uvarint(view, at + 4)
            end = at + size - 1 if size else NO_SIZE
            if end > end_of_view:
                raise DecodeError("records run past the end of the request")
            partitions.append((index, at, end))
            at = skip_tags(view, max(at, end))
        at = skip_tags(view, at)
        topics.append((name, partitions))
    return ProduceCall(transactional_id, acks, timeout_ms, topics)


def _nullable_string(view: memoryview, at: int) -> tuple[str | None, int]:
    (size,) = _INT16.unpack_from(view, at)
    at += 2
    return (None, at) if size < 0 else (_text(view, at, size), at + size)


def _compact_string(view: memoryview, at: int) -> tuple[str | None, int]:
    size, at = read_uvarint(view, at)
    return (None, at) if not size else (_text(view, at, size - 1), at + size - 1)


def _text(view: memoryview, at: int, size: int) -> str:
    if at + size > len(view):
        raise DecodeError("a string runs past the end of the request")
    return str(view[at : at + size], "utf-8")


def write_produce(version: int, results: Results) -> bytes:
    """The response body, throttle time 0."""
    out = bytearray()
    is_flexible = version >= FLEXIBLE_FROM
    out += uvarint(len(results) + 1) if is_flexible else _INT32.pack(len(results))
    for name, partitions in results:
        raw = name.encode()
        if is_flexible:
            out += uvarint(len(raw) + 1) + raw + uvarint(len(partitions) + 1)
        else:
            out += _INT16.pack(len(raw)) + raw + _INT32.pack(len(partitions))
        for result in partitions:
            _write_result(out, version, result, is_flexible)
        if is_flexible:
            out.append(0)
    out += b"\0\0\0\0"
    if is_flexible:
        out.append(0)
    return bytes(out)


def _write_result(
    out: bytearray, version: int, result: PartitionResult, is_flexible: bool
) -> None:
    common = (result.index, result.error_code, result.base_offset, result.log_append_time_ms)
    if version < 5:
        out += _RESULT_V4.pack(*common)
        return
    out += _RESULT.pack(*common, result.log_start_offset)
    if version < 8:
        return
    message = None if result.message is None else result.message.encode()
    if is_flexible:
        out.append(1)  # no record errors
        out += b"\0" if message is None else uvarint(len(message) + 1) + message
        out.append(0)
    else:
        out += b"\0\0\0\0"
        out += b"\xff\xff" if message is None else _INT16.pack(len(message)) + message
