"""Which segments a log no longer owes to anybody; pure."""

from collections.abc import Sequence

from data_plane.log.log_config import LogConfig
from data_plane.log.segment import Segment


def expired_count(
    segments: Sequence[Segment], config: LogConfig, *, now_ms: int, offset_limit: int
) -> int:
    """Return how many of the first segments may go, the active one included.

    By time: the segment's latest timestamp is older than retention.ms. By size: the log keeps at
    least retention.bytes without it. Only segments wholly below `offset_limit` (the high
    watermark), only under cleanup.policy=delete. Source: Kafka's UnifiedLog.deleteOldSegments.
    """
    if not config.is_deleted:
        return 0
    surplus_bytes = sum(segment.size_bytes for segment in segments) - config.retention_bytes
    for count, segment in enumerate(segments):
        is_empty = segment.size_bytes == 0
        if segment.next_offset > offset_limit or (is_empty and segment is segments[-1]):
            return count
        is_large = config.retention_bytes >= 0 and segment.size_bytes <= surplus_bytes
        # Of an empty one compaction has left nothing but its offsets.
        if not (is_large or is_empty or _is_old(segment, config, now_ms)):
            return count
        surplus_bytes -= segment.size_bytes
    return len(segments)


def _is_old(segment: Segment, config: LogConfig, now_ms: int) -> bool:
    """A segment without any timestamp is kept: nothing says how old it is."""
    if config.retention_ms < 0 or segment.max_timestamp_ms < 0:
        return False
    return now_ms - segment.max_timestamp_ms > config.retention_ms
