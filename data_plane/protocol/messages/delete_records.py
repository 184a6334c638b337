"""DeleteRecords (key 21) v0-2. v2: flexible. (KIP-107)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response

HIGH_WATERMARK = -1  # Delete all that is committed.


@dataclass(frozen=True, slots=True)
class DeleteRecordsRequestPartition:
    """Delete what lies before an offset of one partition."""

    partition_index: int32
    offset: int64 = HIGH_WATERMARK


@dataclass(frozen=True, slots=True)
class DeleteRecordsRequestTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[DeleteRecordsRequestPartition] = ()


@request(api_key=21, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DeleteRecordsRequest:
    """Move the start of logs forward."""

    topics: Sequence[DeleteRecordsRequestTopic] = ()
    timeout_ms: int32 = 60_000


@dataclass(frozen=True, slots=True)
class DeleteRecordsResponsePartition:
    """The log start offset after the deletion, -1 on an error."""

    partition_index: int32
    low_watermark: int64 = -1
    error_code: int16 = 0


@dataclass(frozen=True, slots=True)
class DeleteRecordsResponseTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[DeleteRecordsResponsePartition] = ()


@response(api_key=21, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class DeleteRecordsResponse:
    """Where each log begins now."""

    throttle_time_ms: int32 = 0
    topics: Sequence[DeleteRecordsResponseTopic] = ()
