"""DescribeQuorum (key 55) v0-2, flexible. v1: fetch times. v2: directory ids, nodes, messages."""

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
    uint16,
    uuid,
)


@dataclass(frozen=True, slots=True)
class DescribeQuorumRequestPartition:
    """One partition, 0 in fact."""

    partition_index: int32


@dataclass(frozen=True, slots=True)
class DescribeQuorumRequestTopic:
    """The metadata topic."""

    topic_name: str
    partitions: Sequence[DescribeQuorumRequestPartition] = ()


@request(api_key=55, versions=range(3), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeQuorumRequest:
    """Ask who votes in the metadata quorum."""

    topics: Sequence[DescribeQuorumRequestTopic] = ()


@dataclass(frozen=True, slots=True)
class DescribeQuorumResponseReplica:
    """How far one voter or observer is; times in Unix ms, -1 if unknown."""

    replica_id: int32
    replica_directory_id: uuid = since(2, default=NO_ID)
    log_end_offset: int64 = -1
    last_fetch_timestamp: int64 = since(1, default=-1)
    last_caught_up_timestamp: int64 = since(1, default=-1)


@dataclass(frozen=True, slots=True)
class DescribeQuorumResponsePartition:
    """The quorum's leader and members."""

    partition_index: int32
    error_code: int16 = 0
    error_message: str | None = since(2, default=None)
    leader_id: int32 = -1
    leader_epoch: int32 = -1
    high_watermark: int64 = -1
    current_voters: Sequence[DescribeQuorumResponseReplica] = ()
    observers: Sequence[DescribeQuorumResponseReplica] = ()


@dataclass(frozen=True, slots=True)
class DescribeQuorumResponseTopic:
    """The metadata topic."""

    topic_name: str
    partitions: Sequence[DescribeQuorumResponsePartition] = ()


@dataclass(frozen=True, slots=True)
class DescribeQuorumResponseListener:
    """Where a voter listens."""

    name: str
    host: str
    port: uint16


@dataclass(frozen=True, slots=True)
class DescribeQuorumResponseNode:
    """One voter."""

    node_id: int32
    listeners: Sequence[DescribeQuorumResponseListener] = ()


@response(api_key=55, versions=range(3), flexible_from=0)
@dataclass(frozen=True, slots=True)
class DescribeQuorumResponse:
    """The metadata quorum."""

    error_code: int16 = 0
    error_message: str | None = since(2, default=None)
    topics: Sequence[DescribeQuorumResponseTopic] = ()
    nodes: Sequence[DescribeQuorumResponseNode] = since(2, default=())
