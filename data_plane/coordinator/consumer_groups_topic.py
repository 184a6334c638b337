"""Wire layouts of KIP-848 groups in `__consumer_offsets`, by Kafka's names; see
consumer_group_records.py. Keys are of kinds 3 to 8 and 16; every value has layout 0, flexible.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data_plane.protocol.schema import data_record, int8, int32, int64, tagged, uuid


@data_record(versions=range(3, 7), flexible_from=None)
@dataclass(frozen=True, slots=True)
class ConsumerGroupKey:
    """Kinds 3 (epoch), 4 (partition metadata) and 6 (target epoch): which group."""

    group_id: str


@data_record(versions=range(5, 9), flexible_from=None)
@dataclass(frozen=True, slots=True)
class ConsumerMemberKey:
    """Kinds 5 (member), 7 (target assignment) and 8 (current assignment): which member."""

    group_id: str
    member_id: str


@data_record(versions=range(16, 17), flexible_from=None)
@dataclass(frozen=True, slots=True)
class RegularExpressionKey:
    """Kind 16: which expression of a group."""

    group_id: str
    regular_expression: str


@data_record(versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class ConsumerGroupMetadataValue:
    """The group's epoch, and a hash of the topics it consumes (KIP-1101, Kafka 4.1)."""

    epoch: int32
    metadata_hash: int64 = tagged(0, since=0, default=0)


@dataclass(frozen=True, slots=True)
class PartitionRacks:
    """Racks of a partition's replicas; not used for assigning here, and left empty."""

    partition: int32
    racks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TopicMetadata:
    """A topic that the group consumes."""

    topic_id: uuid
    topic_name: str
    num_partitions: int32
    partition_metadata: Sequence[PartitionRacks] = ()


@data_record(versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class PartitionMetadataValue:
    """All topics that the group consumes; before Kafka 4.1, whose hash took its place."""

    topics: Sequence[TopicMetadata] = ()


@dataclass(frozen=True, slots=True)
class ClassicProtocol:
    """One of the protocols that a member offers in JoinGroup, with its own bytes."""

    name: str
    metadata: bytes


@dataclass(frozen=True, slots=True)
class ClassicMemberMetadata:
    """What is known of a member that speaks the classic protocol."""

    session_timeout_ms: int32
    supported_protocols: Sequence[ClassicProtocol] = ()


@data_record(versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class MemberMetadataValue:
    """Who a member is and what it wants."""

    instance_id: str | None
    rack_id: str | None
    client_id: str
    client_host: str
    subscribed_topic_names: Sequence[str] = ()
    subscribed_topic_regex: str | None = None
    rebalance_timeout_ms: int32 = -1
    server_assignor: str | None = None
    classic_member_metadata: ClassicMemberMetadata | None = tagged(0, since=0, default=None)


@data_record(versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class TargetMetadataValue:
    """The group epoch that the target assignment was made for."""

    assignment_epoch: int32


@dataclass(frozen=True, slots=True)
class TopicPartitions:
    """Partitions of one topic."""

    topic_id: uuid
    partitions: Sequence[int32] = ()


@data_record(versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class TargetMemberValue:
    """What a member shall own in the end."""

    topic_partitions: Sequence[TopicPartitions] = ()


@dataclass(frozen=True, slots=True)
class OwnedPartitions:
    """Partitions of one topic, and since which epoch each is the member's (KIP-1251, Kafka 4.3)."""

    topic_id: uuid
    partitions: Sequence[int32] = ()
    assignment_epochs: Sequence[int32] | None = tagged(0, since=0, default=None)


@data_record(versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class CurrentMemberValue:
    """Where a member is on its way there."""

    member_epoch: int32
    previous_member_epoch: int32
    state: int8
    assigned_partitions: Sequence[OwnedPartitions] = ()
    partitions_pending_revocation: Sequence[OwnedPartitions] = ()


@data_record(versions=range(1), flexible_from=0)
@dataclass(frozen=True, slots=True)
class RegularExpressionValue:
    """Topics that an expression matches; version: metadata offset at which it was resolved."""

    topics: Sequence[str]
    version: int64
    timestamp: int64
