"""Metadata (key 3) v0-13. v1: null means all topics (v0: an empty list does), racks, controller.
v2: cluster id. v4: auto creation. v5: offline replicas. v7: leader epoch. v8: operations.
v9: flexible. v10: topic ids. v12: topics by id. v13: rebootstrap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import (
    NO_ID,
    int16,
    int32,
    nullable,
    request,
    response,
    since,
    uuid,
)

OPERATIONS_UNKNOWN = -(1 << 31)  # The bit field when nobody asked for it (KIP-430).


@dataclass(frozen=True, slots=True)
class MetadataRequestTopic:
    """A topic asked for, by name or from v10 by id with a null name."""

    topic_id: uuid = since(10, default=NO_ID)
    name: str | None = nullable(10, default="")


@request(api_key=3, versions=range(14), flexible_from=9)
@dataclass(frozen=True, slots=True)
class MetadataRequest:
    """Ask for brokers and topics."""

    topics: Sequence[MetadataRequestTopic] | None = nullable(1, default=())
    allow_auto_topic_creation: bool = since(4, default=True)
    include_cluster_authorized_operations: bool = since(8, until=11, default=False)
    include_topic_authorized_operations: bool = since(8, default=False)


@dataclass(frozen=True, slots=True)
class MetadataResponseBroker:
    """A broker, at the address of the listener the client used."""

    node_id: int32
    host: str
    port: int32
    rack: str | None = since(1, default=None)


@dataclass(frozen=True, slots=True)
class MetadataResponsePartition:
    """A partition's leader (-1: none) and replicas, by broker id."""

    error_code: int16 = 0
    partition_index: int32 = 0
    leader_id: int32 = -1
    leader_epoch: int32 = since(7, default=-1)
    replica_nodes: Sequence[int32] = ()
    isr_nodes: Sequence[int32] = ()
    offline_replicas: Sequence[int32] = since(5, default=())


@dataclass(frozen=True, slots=True)
class MetadataResponseTopic:
    """A topic; one that does not exist is a row with an error, not a missing row."""

    error_code: int16 = 0
    name: str | None = nullable(12, default="")
    topic_id: uuid = since(10, default=NO_ID)
    is_internal: bool = since(1, default=False)
    partitions: Sequence[MetadataResponsePartition] = ()
    topic_authorized_operations: int32 = since(8, default=OPERATIONS_UNKNOWN)


@response(api_key=3, versions=range(14), flexible_from=9)
@dataclass(frozen=True, slots=True)
class MetadataResponse:
    """Brokers and topics as this broker knows them."""

    throttle_time_ms: int32 = since(3, default=0)
    brokers: Sequence[MetadataResponseBroker] = ()
    cluster_id: str | None = since(2, default=None)
    controller_id: int32 = since(1, default=-1)
    topics: Sequence[MetadataResponseTopic] = ()
    cluster_authorized_operations: int32 = since(8, until=11, default=OPERATIONS_UNKNOWN)
    error_code: int16 = since(13, default=0)
