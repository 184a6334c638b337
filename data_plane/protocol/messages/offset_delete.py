"""OffsetDelete (key 47) v0. (KIP-496)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response


@dataclass(frozen=True, slots=True)
class OffsetDeleteRequestPartition:
    """One partition."""

    partition_index: int32


@dataclass(frozen=True, slots=True)
class OffsetDeleteRequestTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[OffsetDeleteRequestPartition] = ()


@request(api_key=47, versions=range(1), flexible_from=None)
@dataclass(frozen=True, slots=True)
class OffsetDeleteRequest:
    """Forget a group's committed offsets of topics it does not consume."""

    group_id: str
    topics: Sequence[OffsetDeleteRequestTopic] = ()


@dataclass(frozen=True, slots=True)
class OffsetDeleteResponsePartition:
    """What became of one partition's offset."""

    partition_index: int32
    error_code: int16 = 0


@dataclass(frozen=True, slots=True)
class OffsetDeleteResponseTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[OffsetDeleteResponsePartition] = ()


@response(api_key=47, versions=range(1), flexible_from=None)
@dataclass(frozen=True, slots=True)
class OffsetDeleteResponse:
    """What became of each offset; here the error comes before the throttle time."""

    error_code: int16 = 0
    throttle_time_ms: int32 = 0
    topics: Sequence[OffsetDeleteResponseTopic] = ()
