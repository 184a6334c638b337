"""ElectLeaders (key 43) v0-2. v1: election type, error code (KIP-460). v2: flexible."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int8, int16, int32, request, response, since

PREFERRED = 0
UNCLEAN = 1


@dataclass(frozen=True, slots=True)
class ElectLeadersRequestTopic:
    """One topic's partitions."""

    topic: str
    partitions: Sequence[int32] = ()


@request(api_key=43, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class ElectLeadersRequest:
    """Elect leaders; null asks for all partitions."""

    election_type: int8 = since(1, default=PREFERRED)
    topic_partitions: Sequence[ElectLeadersRequestTopic] | None = None
    timeout_ms: int32 = 60_000


@dataclass(frozen=True, slots=True)
class ElectLeadersResponsePartition:
    """What became of one partition; ELECTION_NOT_NEEDED is normal."""

    partition_id: int32
    error_code: int16 = 0
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class ElectLeadersResponseTopic:
    """One topic's partitions."""

    topic: str
    partition_result: Sequence[ElectLeadersResponsePartition] = ()


@response(api_key=43, versions=range(3), flexible_from=2)
@dataclass(frozen=True, slots=True)
class ElectLeadersResponse:
    """What became of each partition."""

    throttle_time_ms: int32 = 0
    error_code: int16 = since(1, default=0)
    replica_election_results: Sequence[ElectLeadersResponseTopic] = ()
