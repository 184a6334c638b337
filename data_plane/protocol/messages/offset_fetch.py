"""OffsetFetch (key 9) v0-10. v2: null means all topics. v3: throttle time. v5: leader
epoch. v6: flexible. v7: stable offsets only. v8: groups. v9: KIP-848 members. v10: topic ids.
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
class OffsetFetchRequestTopic:
    """Partitions of one topic, before v8."""

    name: str
    partition_indexes: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class OffsetFetchRequestGroupTopic:
    """Partitions of one topic of one group, from v8."""

    name: str = until(10, default="")
    topic_id: uuid = since(10, default=NO_ID)
    partition_indexes: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class OffsetFetchRequestGroup:
    """One group's topics; null asks for all it has committed."""

    group_id: str
    member_id: str | None = since(9, default=None)
    member_epoch: int32 = since(9, default=-1)
    topics: Sequence[OffsetFetchRequestGroupTopic] | None = ()


@request(api_key=9, versions=range(11), flexible_from=6)
@dataclass(frozen=True, slots=True)
class OffsetFetchRequest:
    """Read committed offsets: of one group before v8, of several from then on."""

    group_id: str = until(8, default="")
    topics: Sequence[OffsetFetchRequestTopic] | None = until(8, default=(), nullable_from=2)
    groups: Sequence[OffsetFetchRequestGroup] = since(8, default=())
    require_stable: bool = since(7, default=False)


@dataclass(frozen=True, slots=True)
class OffsetFetchResponsePartition:
    """A committed offset; none is -1 without an error."""

    partition_index: int32
    committed_offset: int64 = -1
    committed_leader_epoch: int32 = since(5, default=-1)
    metadata: str | None = ""
    error_code: int16 = 0


@dataclass(frozen=True, slots=True)
class OffsetFetchResponseTopic:
    """One topic's partitions, before v8."""

    name: str
    partitions: Sequence[OffsetFetchResponsePartition] = ()


@dataclass(frozen=True, slots=True)
class OffsetFetchResponseGroupTopic:
    """One topic's partitions of one group, from v8."""

    name: str = until(10, default="")
    topic_id: uuid = since(10, default=NO_ID)
    partitions: Sequence[OffsetFetchResponsePartition] = ()


@dataclass(frozen=True, slots=True)
class OffsetFetchResponseGroup:
    """One group's offsets."""

    group_id: str
    topics: Sequence[OffsetFetchResponseGroupTopic] = ()
    error_code: int16 = 0


@response(api_key=9, versions=range(11), flexible_from=6)
@dataclass(frozen=True, slots=True)
class OffsetFetchResponse:
    """The committed offsets."""

    throttle_time_ms: int32 = since(3, default=0)
    topics: Sequence[OffsetFetchResponseTopic] = until(8, default=())
    error_code: int16 = since(2, until=8, default=0)
    groups: Sequence[OffsetFetchResponseGroup] = since(8, default=())
