"""OffsetCommit (key 8) v0-10. v1: members. v2-4: retention. v3: throttle time. v6: leader epoch.
v7: static members. v8: flexible. v9: KIP-848 member epochs. v10: topic ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    NO_ID,
    int16,
    int32,
    int64,
    request,
    response,
    since,
    until,
    uuid,
)


@dataclass(frozen=True, slots=True)
class OffsetCommitRequestPartition:
    """The next offset to consume, and a string that must come back as it was."""

    partition_index: int32
    committed_offset: int64 = -1
    committed_leader_epoch: int32 = since(6, default=-1)
    commit_timestamp: int64 = since(1, until=2, default=-1)
    committed_metadata: str | None = None


@dataclass(frozen=True, slots=True)
class OffsetCommitRequestTopic:
    """One topic's partitions."""

    name: str = until(10, default="")
    topic_id: uuid = since(10, default=NO_ID)
    partitions: Sequence[OffsetCommitRequestPartition] = ()


@request(api_key=8, versions=range(11), flexible_from=8)
@dataclass(frozen=True, slots=True)
class OffsetCommitRequest:
    """Commit offsets; a consumer without membership sends generation -1 and no member id."""

    group_id: str
    generation_id_or_member_epoch: int32 = since(1, default=-1)
    member_id: str = since(1, default="")
    group_instance_id: str | None = since(7, default=None)
    retention_time_ms: int64 = since(2, until=5, default=-1)
    topics: Sequence[OffsetCommitRequestTopic] = ()


@dataclass(frozen=True, slots=True)
class OffsetCommitResponsePartition:
    """Whether one partition's offset was committed."""

    partition_index: int32
    error_code: int16 = 0


@dataclass(frozen=True, slots=True)
class OffsetCommitResponseTopic:
    """One topic's partitions."""

    name: str = until(10, default="")
    topic_id: uuid = since(10, default=NO_ID)
    partitions: Sequence[OffsetCommitResponsePartition] = ()


@response(api_key=8, versions=range(11), flexible_from=8)
@dataclass(frozen=True, slots=True)
class OffsetCommitResponse:
    """Which offsets were committed."""

    throttle_time_ms: int32 = since(3, default=0)
    topics: Sequence[OffsetCommitResponseTopic] = ()
