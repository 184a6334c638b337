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
    int32,
    int64,
    uuid,
)

RECORD_VERSIONS: Final = range(1)  # Grows with `ottla.version` (durability.md 9).


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
    """The whole state of one partition; replaces what was known before."""

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
