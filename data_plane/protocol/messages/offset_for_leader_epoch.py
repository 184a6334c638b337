"""OffsetForLeaderEpoch (key 23) v2-4. v2: current leader epoch. v3: replica id. v4: flexible."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, int64, request, response, since

CONSUMER = -1


@dataclass(frozen=True, slots=True)
class OffsetForLeaderEpochRequestPartition:
    """The epoch whose end is asked; a current leader epoch of -1 is not checked."""

    partition: int32
    current_leader_epoch: int32 = -1
    leader_epoch: int32 = -1


@dataclass(frozen=True, slots=True)
class OffsetForLeaderEpochRequestTopic:
    """One topic's partitions."""

    topic: str
    partitions: Sequence[OffsetForLeaderEpochRequestPartition] = ()


@request(api_key=23, versions=range(2, 5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class OffsetForLeaderEpochRequest:
    """Ask where leader epochs ended, to find what a log truncation took (KIP-320)."""

    replica_id: int32 = since(3, default=-2)
    topics: Sequence[OffsetForLeaderEpochRequestTopic] = ()


@dataclass(frozen=True, slots=True)
class OffsetForLeaderEpochResponsePartition:
    """The largest epoch not above the one asked, and its end; -1 and -1 if unknown."""

    error_code: int16 = 0
    partition: int32 = 0
    leader_epoch: int32 = -1
    end_offset: int64 = -1


@dataclass(frozen=True, slots=True)
class OffsetForLeaderEpochResponseTopic:
    """One topic's partitions."""

    topic: str
    partitions: Sequence[OffsetForLeaderEpochResponsePartition] = ()


@response(api_key=23, versions=range(2, 5), flexible_from=4)
@dataclass(frozen=True, slots=True)
class OffsetForLeaderEpochResponse:
    """Where the epochs ended."""

    throttle_time_ms: int32 = 0
    topics: Sequence[OffsetForLeaderEpochResponseTopic] = ()
