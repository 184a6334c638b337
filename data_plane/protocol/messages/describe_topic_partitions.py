"""DescribeTopicPartitions (key 75) v0, flexible: pages of topics, eligible leaders (KIP-966)."""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import NO_ID, int16, int32, request, response, uuid

OPERATIONS_UNKNOWN = -(1 << 31)  # The bit field when nobody asked for it (KIP-430).


@dataclass(frozen=True, slots=True)
class DescribeTopicPartitionsRequestTopic:
    """One topic."""

    name: str


@dataclass(frozen=True, slots=True)
class DescribeTopicPartitionsRequestCursor:
    """Where to go on."""

    topic_name: str
    partition_index: int32


@request(api_key=75, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeTopicPartitionsRequest:
    """Describe topics, all if none is named, from a cursor on."""

    topics: Sequence[DescribeTopicPartitionsRequestTopic] = ()
    response_partition_limit: int32 = 2000
    cursor: DescribeTopicPartitionsRequestCursor | None = None


@dataclass(frozen=True, slots=True)
class DescribeTopicPartitionsResponsePartition:
    """A partition's leader (-1: none) and replicas, by broker id."""

    error_code: int16 = 0
    partition_index: int32 = 0
    leader_id: int32 = -1
    leader_epoch: int32 = -1
    replica_nodes: Sequence[int32] = ()
    isr_nodes: Sequence[int32] = ()
    eligible_leader_replicas: Sequence[int32] | None = None
    last_known_elr: Sequence[int32] | None = None
    offline_replicas: Sequence[int32] = ()


@dataclass(frozen=True, slots=True)
class DescribeTopicPartitionsResponseTopic:
    """A topic, or the error under its name."""

    error_code: int16 = 0
    name: str | None = None
    topic_id: uuid = NO_ID
    is_internal: bool = False
    partitions: Sequence[DescribeTopicPartitionsResponsePartition] = ()
    topic_authorized_operations: int32 = OPERATIONS_UNKNOWN


@dataclass(frozen=True, slots=True)
class DescribeTopicPartitionsResponseCursor:
    """Where the next page begins."""

    topic_name: str
    partition_index: int32


@response(api_key=75, versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeTopicPartitionsResponse:
    """One page; a null cursor is the last."""

    throttle_time_ms: int32 = 0
    topics: Sequence[DescribeTopicPartitionsResponseTopic] = ()
    next_cursor: DescribeTopicPartitionsResponseCursor | None = None
