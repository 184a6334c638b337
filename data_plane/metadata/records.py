"""The records of the metadata log: all that a cluster knows about itself, as facts in order.

After Kafka's metadata records (KRaft, KIP-631), whose type numbers are kept; `commit_mode`,
`node_id` and `directory_id` are ours (durability.md 1, 3).
"""

from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID


class CommitMode(IntEnum):
    """When a record of a partition counts as committed (durability.md 1)."""

    SYNCED = 0
    SPREAD = 1
    REPLICATED = 2


@dataclass(frozen=True, slots=True)
class BrokerListener:
    """Where clients of one listener reach a broker; host and port as advertised."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class RegisterBrokerRecord:
    """A broker incarnation joined; its epoch is the offset of this record."""

    broker_id: int
    incarnation_id: UUID
    broker_epoch: int
    directory_id: UUID
    node_id: str
    rack: str
    listeners: tuple[BrokerListener, ...]
    is_fenced: bool = False


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A topic exists from here on, without partitions yet."""

    name: str
    topic_id: UUID
    is_internal: bool = False


@dataclass(frozen=True, slots=True)
class RemoveTopicRecord:
    """A topic, its partitions and its configs are gone; its id is never used again."""

    topic_id: UUID


@dataclass(frozen=True, slots=True)
class PartitionRecord:
    """The whole state of one partition; replaces what was known before."""

    topic_id: UUID
    partition_index: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int
    commit_mode: int = CommitMode.SYNCED
    elr: tuple[int, ...] = ()
    is_recovering: bool = False


@dataclass(frozen=True, slots=True)
class ConfigRecord:
    """One override of one resource; value None takes the override back."""

    resource_type: int
    resource_name: str
    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class AccessControlEntryRecord:
    """One ACL binding, under an id of its own so that it can be removed."""

    acl_id: UUID
    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission_type: int


@dataclass(frozen=True, slots=True)
class RemoveAccessControlEntryRecord:
    """One ACL binding is taken back."""

    acl_id: UUID


@dataclass(frozen=True, slots=True)
class ProducerIdsRecord:
    """Producer ids below `next_producer_id` are given out, the last block to this broker."""

    broker_id: int
    broker_epoch: int
    next_producer_id: int


@dataclass(frozen=True, slots=True)
class FeatureLevelRecord:
    """A feature is finalized at a level; 0 takes it back."""

    name: str
    level: int


@dataclass(frozen=True, slots=True)
class NoOpRecord:
    """Changes nothing; a new quorum leader commits one before it decides anything (Raft 5.4.2)."""


MetadataRecord = (
    RegisterBrokerRecord
    | TopicRecord
    | RemoveTopicRecord
    | PartitionRecord
    | ConfigRecord
    | AccessControlEntryRecord
    | RemoveAccessControlEntryRecord
    | ProducerIdsRecord
    | FeatureLevelRecord
    | NoOpRecord
)
