"""Fetch v4-18 read in place and answered around file extents, without a field object.

Equal to the declaration in messages/fetch.py byte for byte. The answer is written in pieces: head,
then for each topic its start and for each partition its start, the records themselves as the log
gives them, and its end. A topic is known by its name before v13 and by its id from then on.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from data_plane.protocol.compile_decode import ELEMENTS_MAX
from data_plane.protocol.hot.fields import (
    TopicKey,
    count_bytes,
    read_count,
    read_name,
    read_topic,
    topic_bytes,
)
from data_plane.protocol.hot.leaders import (
    FETCH_FROM,
    FETCH_LEADER_TAG,
    Endpoint,
    Leader,
    endpoints_tags,
    leader_tags,
)
from data_plane.protocol.primitives import (
    INT32,
    Buffer,
    DecodeError,
    read_uvarint,
    skip_tags,
    uvarint,
)

FLEXIBLE_FROM: Final = 12
IDS_FROM: Final = 13
REPLICA_STATE_FROM: Final = 15
REPLICA_STATE_TAG: Final = 1
CONSUMER: Final = -1  # the replica id of everyone who is not a broker

_HEAD: Final = struct.Struct(">iiiib")  # replica id, max wait, min bytes, max bytes, isolation
_HEAD_V15: Final = struct.Struct(">iiib")  # The same without the replica id, now a tagged field.
_SESSION: Final = struct.Struct(">ii")  # session id, session epoch
# index, [current leader epoch], fetch offset, [last fetched epoch], [log start], max bytes
_ROW_V4: Final = struct.Struct(">iqi")
_ROW_V5: Final = struct.Struct(">iqqi")
_ROW_V9: Final = struct.Struct(">iiqqi")
_ROW_V12: Final = struct.Struct(">iiqiqi")

_ANSWER_V7: Final = struct.Struct(">ihi")  # throttle time, error, session id
_RESULT_V4: Final = struct.Struct(">ihqq").pack  # index, error, high watermark, last stable offset
_RESULT_V5: Final = struct.Struct(">ihqqq").pack  # The same and the log start.
_ABORTED: Final = struct.Struct(">qq").pack  # producer id, first offset
_REPLICA: Final = struct.Struct(">iq")  # id, broker epoch
_DIVERGING: Final = struct.Struct(">BBBiqB").pack  # one tag, tag 0, size 13, epoch, end, no tags


class FetchPartition(NamedTuple):
    """From where one partition is read; epochs of -1 are not checked."""

    partition: int
    current_leader_epoch: int
    fetch_offset: int
    partition_max_bytes: int
    last_fetched_epoch: int = -1
    log_start_offset: int = -1


class FetchCall(NamedTuple):
    """A fetch request; a replica id of -1 is a consumer. topics: (name or id, partitions)."""

    replica_id: int
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation_level: int
    session_id: int
    session_epoch: int
    topics: list[tuple[TopicKey, list[FetchPartition]]]
    forgotten: list[tuple[TopicKey, tuple[int, ...]]]  # Partitions an incremental session drops.
    rack_id: str
    replica_epoch: int = -1  # the broker epoch of the follower, v15 on (KIP-903)


class FetchResult(NamedTuple):
    """One partition's answer, all but its records."""

    partition: int
    error_code: int
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    # (producer id, first offset) of each; None under read_uncommitted.
    aborted_transactions: Sequence[tuple[int, int]] | None = None
    preferred_read_replica: int = -1
    diverging: tuple[int, int] | None = None  # epoch and end: the follower must truncate (v12)


def read_fetch(view: Buffer, version: int) -> FetchCall:
    """Return what `view`, the request's body, asks for. Raises DecodeError and nothing else."""
    try:
        return _read(view, version)
    except (struct.error, IndexError, UnicodeDecodeError) as failure:
        raise DecodeError(f"FetchRequest v{version}: {failure}") from None


def _read(view: Buffer, version: int) -> FetchCall:
    replica_id, replica_epoch = CONSUMER, -1
    if version >= REPLICA_STATE_FROM:
        max_wait_ms, min_bytes, max_bytes, isolation_level = _HEAD_V15.unpack_from(view, 0)
        at = _HEAD_V15.size
    else:
        replica_id, max_wait_ms, min_bytes, max_bytes, isolation_level = _HEAD.unpack_from(view, 0)
        at = _HEAD.size
    session_id, session_epoch = 0, -1
    if version >= 7:
        session_id, session_epoch = _SESSION.unpack_from(view, at)
        at += _SESSION.size
    topics, at = _read_topics(view, at, version)
    forgotten: list[tuple[TopicKey, tuple[int, ...]]] = []
    rack_id = ""
    is_flexible = version >= FLEXIBLE_FROM
    if version >= 7:
        forgotten, at = _read_forgotten(view, at, version)
    if version >= 11:
        rack_id, at = read_name(view, at, is_flexible)
    if version >= REPLICA_STATE_FROM and view[at]:
        replica_id, replica_epoch = _replica_state(view, at)
    if is_flexible:
        skip_tags(view, at)
    return FetchCall(
        replica_id,
        max_wait_ms,
        min_bytes,
        max_bytes,
        isolation_level,
        session_id,
        session_epoch,
        topics,
        forgotten,
        rack_id,
        replica_epoch,
    )


def _replica_state(view: Buffer, at: int) -> tuple[int, int]:
    """Find who fetches, id and broker epoch, among the tagged fields of v15 on (KIP-903)."""
    count, at = read_uvarint(view, at)
    for _ in range(count):
        tag, at = read_uvarint(view, at)
        size, at = read_uvarint(view, at)
        if tag == REPLICA_STATE_TAG:
            if at + size > len(view) or size < _REPLICA.size:
                raise DecodeError("a replica state runs past the end of the request")
            replica_id, replica_epoch = _REPLICA.unpack_from(view, at)
            return replica_id, replica_epoch
        at += size
    return CONSUMER, -1


def _read_topics(
    view: Buffer, at: int, version: int
) -> tuple[list[tuple[TopicKey, list[FetchPartition]]], int]:
    is_flexible, has_ids = version >= FLEXIBLE_FROM, version >= IDS_FROM
    topics = []
    topic_count, at = read_count(view, at, is_flexible)
    left = ELEMENTS_MAX - topic_count
    for _ in range(topic_count):
        topic, at = read_topic(view, at, has_ids, is_flexible)
        row_count, at = read_count(view, at, is_flexible)
        left -= row_count
        if left < 0:
            raise DecodeError("more partitions than a fetch may have")
        rows = []
        for _ in range(row_count):
            row, at = _read_row(view, at, version)
            rows.append(row)
            if is_flexible:
                at = skip_tags(view, at) if view[at] else at + 1
        if is_flexible:
            at = skip_tags(view, at) if view[at] else at + 1
        topics.append((topic, rows))
    return topics, at


def _read_row(view: Buffer, at: int, version: int) -> tuple[FetchPartition, int]:
    if version >= 12:
        index, epoch, offset, last, start, size = _ROW_V12.unpack_from(view, at)
        return FetchPartition(index, epoch, offset, size, last, start), at + _ROW_V12.size
    if version >= 9:
        index, epoch, offset, start, size = _ROW_V9.unpack_from(view, at)
        return FetchPartition(index, epoch, offset, size, -1, start), at + _ROW_V9.size
    if version >= 5:
        index, offset, start, size = _ROW_V5.unpack_from(view, at)
        return FetchPartition(index, -1, offset, size, -1, start), at + _ROW_V5.size
    index, offset, size = _ROW_V4.unpack_from(view, at)
    return FetchPartition(index, -1, offset, size), at + _ROW_V4.size


def _read_forgotten(
    view: Buffer, at: int, version: int
) -> tuple[list[tuple[TopicKey, tuple[int, ...]]], int]:
    is_flexible, has_ids = version >= FLEXIBLE_FROM, version >= IDS_FROM
    forgotten = []
    topic_count, at = read_count(view, at, is_flexible)
    for _ in range(topic_count):
        topic, at = read_topic(view, at, has_ids, is_flexible)
        count, at = read_count(view, at, is_flexible)
        forgotten.append((topic, struct.unpack_from(f">{count}i", view, at)))
        at += 4 * count
        if is_flexible:
            at = skip_tags(view, at)
    return forgotten, at


def write_head(
    version: int,
    error_code: int,
    topic_count: int,
    *,
    session_id: int = 0,
    throttle_time_ms: int = 0,
) -> bytearray:
    """Return the start of a fetch response; under session 0 the next fetch is a full one."""
    if version >= 7:
        out = bytearray(_ANSWER_V7.pack(throttle_time_ms, error_code, session_id))
    else:
        out = bytearray(INT32.pack(throttle_time_ms))
    out += count_bytes(topic_count, version >= FLEXIBLE_FROM)
    return out


def write_topic(out: bytearray, version: int, topic: TopicKey, partition_count: int) -> None:
    """Begin a topic, by what it was asked for; its partitions follow, then write_end."""
    is_flexible = version >= FLEXIBLE_FROM
    out += topic_bytes(topic, is_flexible)
    out += count_bytes(partition_count, is_flexible)


def write_result(out: bytearray, version: int, result: FetchResult, records_bytes: int) -> None:
    """Begin a partition: all before the records themselves, their size included."""
    if version >= 5:
        out += _RESULT_V5(*result[:5])
    else:
        out += _RESULT_V4(*result[:4])
    is_flexible = version >= FLEXIBLE_FROM
    aborted = result.aborted_transactions
    if aborted is None:
        out += b"\0" if is_flexible else b"\xff\xff\xff\xff"
    else:
        out += count_bytes(len(aborted), is_flexible)
        for producer_id, first_offset in aborted:
            out += _ABORTED(producer_id, first_offset)
            if is_flexible:
                out.append(0)
    if version >= 11:
        out += INT32.pack(result.preferred_read_replica)
    out += uvarint(records_bytes + 1) if is_flexible else INT32.pack(records_bytes)


def write_diverging_end(out: bytearray, version: int, epoch: int, end_offset: int) -> None:
    """End a partition (v12+) whose fetcher must truncate: its epoch ended before its offset."""
    assert version >= FLEXIBLE_FROM, "only a flexible fetch can tell where epochs diverge"
    out += _DIVERGING(1, 0, 13, epoch, end_offset, 0)


def write_led_end(out: bytearray, version: int, leader: Leader) -> None:
    """End a partition (v16+) that is led elsewhere (KIP-951)."""
    assert version >= FETCH_FROM, "an older response has no field for it"
    out += leader_tags(FETCH_LEADER_TAG, leader)


def write_endpoints_end(out: bytearray, version: int, endpoints: Sequence[Endpoint]) -> None:
    """End a response, with where the leaders are that it names (v16+)."""
    if endpoints:
        assert version >= FETCH_FROM, "an older response has no field for them"
        out += endpoints_tags(endpoints)
    else:
        write_end(out, version)


def write_end(out: bytearray, version: int) -> None:
    """End the records of a partition, a topic, or the whole response: no tagged fields."""
    if version >= FLEXIBLE_FROM:
        out.append(0)
