"""ListPartitionReassignments (key 46) v0, flexible. (KIP-455)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response


@dataclass(frozen=True, slots=True)
class ListPartitionReassignmentsRequestTopic:
    """One topic's partitions."""

    name: str
    partition_indexes: Sequence[int32] = ()


@request(api_key=46, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ListPartitionReassignmentsRequest:
    """List moves under way; null asks for all topics."""

    timeout_ms: int32 = 60_000
    topics: Sequence[ListPartitionReassignmentsRequestTopic] | None = None


@dataclass(frozen=True, slots=True)
class ListPartitionReassignmentsResponsePartition:
    """One move: all replicas, those coming and those going."""

    partition_index: int32
    replicas: Sequence[int32] = ()
    adding_replicas: Sequence[int32] = ()
    removing_replicas: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class ListPartitionReassignmentsResponseTopic:
    """One topic's moves."""

    name: str
    partitions: Sequence[ListPartitionReassignmentsResponsePartition] = ()


@response(api_key=46, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ListPartitionReassignmentsResponse:
    """The moves under way."""

    throttle_time_ms: int32 = 0
    error_code: int16 = 0
    error_message: str | None = None
    topics: Sequence[ListPartitionReassignmentsResponseTopic] = ()
