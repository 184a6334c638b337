"""AlterPartitionReassignments (key 45) v0-1, flexible. v1: replica count. (KIP-455)"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import int16, int32, request, response, since


@dataclass(frozen=True, slots=True)
class AlterPartitionReassignmentsRequestPartition:
    """The replicas one partition shall have; null cancels what is under way."""

    partition_index: int32
    replicas: Sequence[int32] | None = None


@dataclass(frozen=True, slots=True)
class AlterPartitionReassignmentsRequestTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[AlterPartitionReassignmentsRequestPartition] = ()


@request(api_key=45, versions=range(2), flexible_from=0)
@dataclass(frozen=True, slots=True)
class AlterPartitionReassignmentsRequest:
    """Move partitions between brokers."""

    timeout_ms: int32 = 60_000
    allow_replication_factor_change: bool = since(1, default=True)
    topics: Sequence[AlterPartitionReassignmentsRequestTopic] = ()


@dataclass(frozen=True, slots=True)
class AlterPartitionReassignmentsResponsePartition:
    """Whether one partition's move began or was cancelled."""

    partition_index: int32
    error_code: int16 = 0
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class AlterPartitionReassignmentsResponseTopic:
    """One topic's partitions."""

    name: str
    partitions: Sequence[AlterPartitionReassignmentsResponsePartition] = ()


@response(api_key=45, versions=range(2), flexible_from=0)
@dataclass(frozen=True, slots=True)
class AlterPartitionReassignmentsResponse:
    """Which moves began."""

    throttle_time_ms: int32 = 0
    allow_replication_factor_change: bool = since(1, default=True)
    error_code: int16 = 0
    error_message: str | None = None
    responses: Sequence[AlterPartitionReassignmentsResponseTopic] = ()
