"""The records of the metadata log: all that a cluster knows about itself, as facts in order.

After Kafka's metadata records (KRaft, KIP-631), whose type numbers are kept; `commit_mode`,
`node_id` and `directory_id` are ours (durability.md 1, 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from data_plane.protocol.schema import (
    boolean,
    data_record,
    float64,
    int8,
    int16,
    int32,
    int64,
    since,
    uuid,
)

# What `ottla.version` gates (durability.md 9): level 0 writes version 0, which one broker alone can
# live with; level 1 writes version 1, which a cluster needs. Every version is read at any level.
RECORD_VERSIONS: Final = range(2)
CLUSTER_RECORDS: Final = range(1, 2)


class CommitMode(IntEnum):
    """When a record of a partition counts as committed (durability.md 1)."""

    SYNCED = 0
    SPREAD = 1
    REPLICATED = 2


class RestartKind(IntEnum):
    """What a broker says of the stop before its registration (durability.md 3)."""

    CLEAN = 0
    PROCESS_CRASH = 1
    POWER_LOSS = 2
    NEW_DIRECTORY = 3


@dataclass(frozen=True, slots=True)
class BrokerFeature:
    """A feature and the levels that a broker implements, both included."""

    name: str
    level_min: int16
    level_max: int16


@dataclass(frozen=True, slots=True)
class BrokerListener:
    """Where clients of one listener reach a broker; host and port as advertised."""

    name: str
    host: str
    port: int32


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class RegisterBrokerRecord:
    """A broker incarnation joined; its epoch is the offset of this record."""

    broker_id: int32
    incarnation_id: uuid
    broker_epoch: int64
    directory_id: uuid
    node_id: str
    rack: str
    listeners: Sequence[BrokerListener]
    is_fenced: boolean = False
    is_shutting_down: boolean = since(1, default=False)
    features: Sequence[BrokerFeature] = since(1, default=())
    restart_kind: int8 = since(1, default=RestartKind.CLEAN)
    spec_broker_count: int32 = since(1, default=1)  # how many the cluster shall have

    @property
    def is_active(self) -> bool:
        """True if it may enter an ISR and be elected."""
        return not (self.is_fenced or self.is_shutting_down)


@data_record(versions=CLUSTER_RECORDS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class UnregisterBrokerRecord:
    """A broker is gone for good; its id is never used again."""

    broker_id: int32


@data_record(versions=CLUSTER_RECORDS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class BrokerRegistrationChangeRecord:
    """What an incarnation may do has changed."""

    broker_id: int32
    broker_epoch: int64
    is_fenced: boolean
    is_shutting_down: boolean = False


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class TopicRecord:
    """A topic exists from here on, without partitions yet."""

    name: str
    topic_id: uuid


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class RemoveTopicRecord:
    """A topic, its partitions and its configs are gone; its id is never used again."""

    topic_id: uuid


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class PartitionRecord:
    """The whole state of one partition; replaces what was known before.

    isr: empty while nobody leads. elr: who may lead without being in the ISR (KIP-966).
    last_eligible: who could have led when there was a leader last, once nobody of them may any
    more; empty otherwise. adding_replicas, removing_replicas: a move under way (KIP-455); the
    former are among `replicas`, the latter at their end.
    """

    topic_id: uuid
    partition_index: int32
    replicas: Sequence[int32]
    isr: Sequence[int32]
    leader: int32
    leader_epoch: int32
    partition_epoch: int32
    commit_mode: int8 = CommitMode.SYNCED
    elr: Sequence[int32] = ()
    is_recovering: boolean = False
    last_eligible: Sequence[int32] = since(1, default=())
    adding_replicas: Sequence[int32] = since(1, default=())
    removing_replicas: Sequence[int32] = since(1, default=())

    @property
    def is_moving(self) -> bool:
        return bool(self.adding_replicas or self.removing_replicas)

    @property
    def target_replicas(self) -> tuple[int, ...]:
        """Where the partition is once its move is done."""
        return tuple(each for each in self.replicas if each not in self.removing_replicas)


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class ConfigRecord:
    """One override of one resource; value None takes the override back."""

    resource_type: int8
    resource_name: str
    name: str
    value: str | None


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class AccessControlEntryRecord:
    """One ACL binding, under an id of its own so that it can be removed."""

    acl_id: uuid
    resource_type: int8
    resource_name: str
    pattern_type: int8
    principal: str
    host: str
    operation: int8
    permission_type: int8


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class RemoveAccessControlEntryRecord:
    """One ACL binding is taken back."""

    acl_id: uuid


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class ProducerIdsRecord:
    """Producer ids below `next_producer_id` are given out, the last block to this broker."""

    broker_id: int32
    broker_epoch: int64
    next_producer_id: int64


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class FeatureLevelRecord:
    """A feature is finalized at a level; 0 takes it back."""

    name: str
    level: int32


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class UserScramCredentialRecord:
    """What a user's password is checked against (RFC 5802 3); no repr shows the keys."""

    name: str
    mechanism: int8  # security.scram.Mechanism
    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    iterations: int32


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class RemoveUserScramCredentialRecord:
    """A user can no longer authenticate by a mechanism."""

    name: str
    mechanism: int8


@dataclass(frozen=True, slots=True)
class QuotaEntityPart:
    """One part of whom a quota speaks of; a name of None is the default of its type."""

    entity_type: str  # "user" or "client-id"
    entity_name: str | None


@data_record(versions=RECORD_VERSIONS, flexible_from=0)
@dataclass(frozen=True, slots=True)
class ClientQuotaRecord:
    """One quota of one entity is set or taken back."""

    entity: Sequence[QuotaEntityPart]
    key: str
    value: float64
    is_removed: boolean = False


MetadataRecord = (
    RegisterBrokerRecord
    | UnregisterBrokerRecord
    | BrokerRegistrationChangeRecord
    | TopicRecord
    | RemoveTopicRecord
    | PartitionRecord
    | ConfigRecord
    | AccessControlEntryRecord
    | RemoveAccessControlEntryRecord
    | ProducerIdsRecord
    | FeatureLevelRecord
    | UserScramCredentialRecord
    | RemoveUserScramCredentialRecord
    | ClientQuotaRecord
)


def metadata_records(records: Sequence[object]) -> list[MetadataRecord]:
    """Return a decision's records as what the metadata log takes. Raises TypeError for others."""
    typed: list[MetadataRecord] = []
    for record in records:
        if not isinstance(record, MetadataRecord):
            raise TypeError(f"{type(record).__name__} is no metadata record")
        typed.append(record)
    return typed
