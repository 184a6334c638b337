"""DescribeLogDirs (key 35) v1-5. v2: flexible. v3: error code. v4: disk bytes (KIP-827).
v5: cordoned directories.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response, since


@dataclass(frozen=True, slots=True)
class DescribeLogDirsRequestTopic:
    """One topic's partitions."""

    topic: str
    partitions: Sequence[int32] = ()


@request(api_key=35, versions=range(1, 6), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DescribeLogDirsRequest:
    """Ask what lies in this broker's log directories; null asks for all topics."""

    topics: Sequence[DescribeLogDirsRequestTopic] | None = None


@dataclass(frozen=True, slots=True)
class DescribeLogDirsResponsePartition:
    """One replica: its bytes, and how far it lies behind the high watermark."""

    partition_index: int32
    partition_size: int64 = 0
    offset_lag: int64 = 0
    is_future_key: bool = False


@dataclass(frozen=True, slots=True)
class DescribeLogDirsResponseTopic:
    """One topic's replicas in a directory."""

    name: str
    partitions: Sequence[DescribeLogDirsResponsePartition] = ()


@dataclass(frozen=True, slots=True)
class DescribeLogDirsResponseResult:
    """One directory; -1 bytes where nobody knows."""

    error_code: int16 = 0
    log_dir: str = ""
    topics: Sequence[DescribeLogDirsResponseTopic] = ()
    total_bytes: int64 = since(4, default=-1)
    usable_bytes: int64 = since(4, default=-1)
    is_cordoned: bool = since(5, default=False)


@response(api_key=35, versions=range(1, 6), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DescribeLogDirsResponse:
    """The directories."""

    throttle_time_ms: int32 = 0
    error_code: int16 = since(3, default=0)
    results: Sequence[DescribeLogDirsResponseResult] = ()
