"""Find offsets by timestamp: the time index finds the batch, its records the exact offset.

Source: KIP-33, KIP-79, KIP-734; kafka-protocol.md 41-42.
"""

from collections.abc import Sequence
from typing import NamedTuple

from data_plane.log.scan import headers, read_part
from data_plane.log.segment import NO_TIMESTAMP, Segment
from data_plane.log.validate import records_of
from data_plane.protocol.records.batch import BatchHeader


class TimestampOffset(NamedTuple):
    """A record's offset and timestamp (Unix ms), and the leader epoch of its batch."""

    offset: int
    timestamp_ms: int
    leader_epoch: int


def first_at_or_after(
    segments: Sequence[Segment], timestamp_ms: int, *, offset_start: int, offset_limit: int
) -> TimestampOffset | None:
    """Return the first record with a timestamp of at least `timestamp_ms` in the offset range."""
    for segment in segments:
        if segment.base_offset >= offset_limit:
            return None
        if segment.max_timestamp_ms < timestamp_ms or segment.next_offset <= offset_start:
            continue
        start = max(segment.start_for_time(timestamp_ms), segment.start_for(offset_start))
        for position, header in headers(segment.file(), start, segment.size_bytes):
            if header.base_offset >= offset_limit:
                return None
            if header.max_timestamp < timestamp_ms or header.last_offset < offset_start:
                continue
            found = _in_batch(
                segment,
                position,
                header,
                timestamp_ms=timestamp_ms,
                offset_start=offset_start,
                offset_limit=offset_limit,
            )
            if found is not None:
                return found
    return None


def of_max_timestamp(
    segments: Sequence[Segment], *, offset_start: int, offset_limit: int
) -> TimestampOffset | None:
    """Return the first record that carries the latest timestamp in the offset range."""
    maxima = [
        (_max_timestamp_ms(segment, offset_start, offset_limit), segment)
        for segment in segments
        if segment.base_offset < offset_limit and segment.next_offset > offset_start
    ]
    latest_ms = max((timestamp_ms for timestamp_ms, _ in maxima), default=NO_TIMESTAMP)
    if latest_ms == NO_TIMESTAMP:
        return None
    first = next(segment for timestamp_ms, segment in maxima if timestamp_ms == latest_ms)
    return first_at_or_after(
        [first], latest_ms, offset_start=offset_start, offset_limit=offset_limit
    )


def _max_timestamp_ms(segment: Segment, offset_start: int, offset_limit: int) -> int:
    """Return the latest timestamp of a segment's batches within the offset range."""
    if offset_start <= segment.base_offset and segment.next_offset <= offset_limit:
        return segment.max_timestamp_ms
    start, latest_ms = 0, NO_TIMESTAMP
    if offset_start <= segment.base_offset:
        # Up to an indexed batch the time index tells; only what follows must be looked at.
        start = segment.start_for(offset_limit - 1)
        _, header = next(headers(segment.file(), start, segment.size_bytes))
        known = segment.time_index.floor_offset(header.last_offset - segment.base_offset)
        if known is not None and header.last_offset < offset_limit:
            latest_ms = known[0]
    else:
        start = segment.start_for(offset_start)
    for _, header in headers(segment.file(), start, segment.size_bytes):
        if header.last_offset >= offset_limit:
            break
        if header.last_offset >= offset_start:
            latest_ms = max(latest_ms, header.max_timestamp)
    return latest_ms


def _in_batch(
    segment: Segment,
    position: int,
    header: BatchHeader,
    *,
    timestamp_ms: int,
    offset_start: int,
    offset_limit: int,
) -> TimestampOffset | None:
    """Look at the records of one batch; all of a LogAppendTime batch have its one timestamp."""
    if header.timestamp_type:
        offset = max(header.base_offset, offset_start)
        return TimestampOffset(offset, header.max_timestamp, header.partition_leader_epoch)
    batch = memoryview(read_part(segment.file(), position, header.size_bytes))
    for record in records_of(batch, header):
        offset = header.base_offset + record.offset_delta
        record_ms = header.base_timestamp + record.timestamp_delta
        if record_ms >= timestamp_ms and offset_start <= offset < offset_limit:
            return TimestampOffset(offset, record_ms, header.partition_leader_epoch)
    return None
