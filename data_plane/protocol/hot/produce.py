"""Produce v3-13 read in place and answered without a field object.

Equal to the declaration in messages/produce.py byte for byte. A topic is known by its name before
v13 and by its id from then on.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from data_plane.protocol.compile_decode import ELEMENTS_MAX
from data_plane.protocol.hot.fields import (
    TopicKey,
    count_bytes,
    nullable_string_bytes,
    read_count,
    read_nullable_string,
    read_topic,
    topic_bytes,
)
from data_plane.protocol.hot.leaders import (
    PRODUCE_FROM,
    PRODUCE_LEADER_TAG,
    Endpoint,
    Leader,
    endpoints_tags,
    leader_tags,
)
from data_plane.protocol.primitives import INT32, Buffer, DecodeError, read_uvarint, skip_tags

FLEXIBLE_FROM: Final = 9
IDS_FROM: Final = 13
NO_RECORDS: Final = -1  # The `end` of null records.

_ACKS: Final = struct.Struct(">hi")  # acks, timeout
_PARTITION: Final = struct.Struct(">ii").unpack_from  # index, size of records
_INDEX: Final = INT32.unpack_from
RESULT_PACK: Final = struct.Struct(
    ">ihqqq"
).pack  # index, error, base offset, append time, log start
_RESULT_V4: Final = struct.Struct(">ihqq").pack  # The same without the log start.
_MARKED: Final = (0x5A5B5C5D, 0x7E7F, -0x1A2B3C4D5E6F, -0x2B3C4D5E6F7A, -0x3C4D5E6F7A8B)


class ProduceCall(NamedTuple):
    """A produce request; topics: (name or id, [(partition index, start, end)]).

    start, end: where the records lie in the view that was read; end is NO_RECORDS for null.
    """

    transactional_id: str | None
    acks: int
    timeout_ms: int
    topics: Sequence[tuple[TopicKey, Sequence[tuple[int, int, int]]]]


class PartitionResult:
    """What one partition answers; filled in while the request is parked."""

    __slots__ = (
        "base_offset",
        "current_leader",
        "error_code",
        "index",
        "log_append_time_ms",
        "log_start_offset",
        "message",
        "record_errors",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.error_code = 0
        self.base_offset = -1
        self.log_append_time_ms = -1
        self.log_start_offset = -1
        self.message: str | None = None
        self.record_errors: Sequence[tuple[int, str | None]] = ()  # (index in the batch, why)
        self.current_leader: Leader | None = None  # v10+ (KIP-951)

    def fail(self, error_code: int, message: str | None) -> None:
        """Answer an error; what the append had found out is forgotten."""
        self.error_code = error_code
        self.message = message
        self.base_offset = self.log_append_time_ms = self.log_start_offset = -1


Results = Sequence[tuple[TopicKey, Sequence[PartitionResult]]]


def read_produce(view: Buffer, version: int) -> ProduceCall:
    """Return where each partition's records lie in `view`, the request's body.

    Copies no records. Raises DecodeError and nothing else.
    """
    try:
        return _read(view, version >= FLEXIBLE_FROM, version >= IDS_FROM)
    except (struct.error, IndexError, UnicodeDecodeError) as failure:
        raise DecodeError(f"ProduceRequest v{version}: {failure}") from None


def _read(view: Buffer, is_flexible: bool, has_ids: bool) -> ProduceCall:
    transactional_id, at = read_nullable_string(view, 0, is_flexible)
    acks, timeout_ms = _ACKS.unpack_from(view, at)
    topic_count, at = read_count(view, at + _ACKS.size, is_flexible)
    read_rows = _read_flexible_rows if is_flexible else _read_fixed_rows
    topics = []
    left = ELEMENTS_MAX - topic_count
    for _ in range(topic_count):
        topic, at = read_topic(view, at, has_ids, is_flexible)
        row_count, at = read_count(view, at, is_flexible)
        left -= row_count
        if left < 0:
            raise DecodeError("more partitions than a produce may have")
        rows, at = read_rows(view, at, row_count)
        topics.append((topic, rows))
    if is_flexible:
        at = skip_tags(view, at)
    return ProduceCall(transactional_id, acks, timeout_ms, topics)


def _read_fixed_rows(view: Buffer, at: int, count: int) -> tuple[list[tuple[int, int, int]], int]:
    size_bytes = len(view)
    rows = []
    for _ in range(count):
        index, size = _PARTITION(view, at)
        at += 8
        if size < 0:
            rows.append((index, at, NO_RECORDS))
            continue
        end = at + size
        if end > size_bytes:
            raise DecodeError("records run past the end of the request")
        rows.append((index, at, end))
        at = end
    return rows, at


def _read_flexible_rows(
    view: Buffer, at: int, count: int
) -> tuple[list[tuple[int, int, int]], int]:
    size_bytes = len(view)
    rows = []
    for _ in range(count):
        (index,) = _INDEX(view, at)
        size, at = read_uvarint(view, at + 4)
        if size:
            end = at + size - 1
            if end > size_bytes:
                raise DecodeError("records run past the end of the request")
            rows.append((index, at, end))
            at = end
        else:
            rows.append((index, at, NO_RECORDS))
        at = skip_tags(view, at) if view[at] else at + 1
    # The topic's own tag section.
    return rows, skip_tags(view, at) if view[at] else at + 1


def write_produce(
    version: int,
    results: Results,
    throttle_time_ms: int = 0,
    endpoints: Sequence[Endpoint] = (),
) -> bytes:
    """Return the body of a produce response; endpoints: of leaders that are named, v10+."""
    is_flexible = version >= FLEXIBLE_FROM
    out = bytearray(count_bytes(len(results), is_flexible))
    for topic, partitions in results:
        out += topic_bytes(topic, is_flexible)
        out += count_bytes(len(partitions), is_flexible)
        for result in partitions:
            _write_result(out, version, result, is_flexible)
        if is_flexible:
            out.append(0)
    out += INT32.pack(throttle_time_ms)
    if is_flexible:
        out += endpoints_tags(endpoints if version >= PRODUCE_FROM else ())
    return bytes(out)


def answer_around_result(version: int, topic: TopicKey) -> tuple[bytes, bytes]:
    """Return what surrounds RESULT_PACK in the answer to one partition that succeeded, v5+."""
    result = PartitionResult(_MARKED[0])
    result.error_code, result.base_offset, result.log_append_time_ms, result.log_start_offset = (
        _MARKED[1:]
    )
    start, _, end = write_produce(version, [(topic, [result])]).partition(RESULT_PACK(*_MARKED))
    return start, end


def _write_result(out: bytearray, version: int, result: PartitionResult, is_flexible: bool) -> None:
    index, error_code, base_offset = result.index, result.error_code, result.base_offset
    if version < 5:
        out += _RESULT_V4(index, error_code, base_offset, result.log_append_time_ms)
        return
    out += RESULT_PACK(
        index, error_code, base_offset, result.log_append_time_ms, result.log_start_offset
    )
    if version < 8:
        return
    out += count_bytes(len(result.record_errors), is_flexible)
    for batch_index, message in result.record_errors:
        out += INT32.pack(batch_index)
        out += nullable_string_bytes(message, is_flexible)
        if is_flexible:
            out.append(0)
    out += nullable_string_bytes(result.message, is_flexible)
    if not is_flexible:
        return
    leader = result.current_leader
    if version >= PRODUCE_FROM and leader is not None:
        out += leader_tags(PRODUCE_LEADER_TAG, leader)
    else:
        out.append(0)
