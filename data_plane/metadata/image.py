"""The cluster as one immutable value: what the metadata log says up to one offset.

A batch of records is collected in a mutable `ImageDelta`; `publish` gives one new image that
shares every part the batch did not touch (durability.md 6), so readers never see half a batch
and may compare parts by identity to learn what changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID

from data_plane.metadata.records import (
    AccessControlEntryRecord,
    BrokerRegistrationChangeRecord,
    ClientQuotaRecord,
    ConfigRecord,
    FeatureLevelRecord,
    MetadataRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    RemoveAccessControlEntryRecord,
    RemoveTopicRecord,
    RemoveUserScramCredentialRecord,
    TopicRecord,
    UnregisterBrokerRecord,
    UserScramCredentialRecord,
)
from data_plane.security.quotas import QuotaEntity

Key = TypeVar("Key")
Value = TypeVar("Value")

TOPIC_RESOURCE = 2  # Kafka's ConfigResource types.
BROKER_RESOURCE = 4
LOGGER_RESOURCE = 8
GROUP_RESOURCE = 32
INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state"})


class ForeignRecord(Exception):
    """A record speaks of what the log never introduced: the log is not ours."""


@dataclass(frozen=True, slots=True)
class TopicImage:
    """One topic; `partitions[i]` is partition i."""

    name: str
    topic_id: UUID
    partitions: tuple[PartitionRecord, ...]

    @property
    def is_internal(self) -> bool:
        """True for the topics in which coordinators keep their state."""
        return self.name in INTERNAL_TOPICS


@dataclass(frozen=True, slots=True)
class MetadataImage:
    """All metadata up to and including `offset` (-1: nothing yet) of quorum term `term`."""

    offset: int = -1
    term: int = 0
    topics: Mapping[str, TopicImage] = field(default_factory=lambda: MappingProxyType({}))
    topic_names: Mapping[UUID, str] = field(default_factory=lambda: MappingProxyType({}))
    brokers: Mapping[int, RegisterBrokerRecord] = field(
        default_factory=lambda: MappingProxyType({})
    )
    retired_brokers: frozenset[int] = frozenset()  # Ids that are never used again.
    # (resource type, resource name) -> overrides; a broker resource "" is the cluster's default.
    configs: Mapping[tuple[int, str], Mapping[str, str]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    acls: Mapping[UUID, AccessControlEntryRecord] = field(
        default_factory=lambda: MappingProxyType({})
    )
    features: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    # (user, mechanism) -> credential
    scram_credentials: Mapping[tuple[str, int], UserScramCredentialRecord] = field(
        default_factory=lambda: MappingProxyType({})
    )
    client_quotas: Mapping[QuotaEntity, Mapping[str, float]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    next_producer_id: int = 0

    def topic(self, name: str) -> TopicImage | None:
        return self.topics.get(name)

    def topic_by_id(self, topic_id: UUID) -> TopicImage | None:
        name = self.topic_names.get(topic_id)
        return None if name is None else self.topics[name]

    def partition(self, name: str, partition_index: int) -> PartitionRecord | None:
        topic = self.topics.get(name)
        if topic is None or not 0 <= partition_index < len(topic.partitions):
            return None
        return topic.partitions[partition_index]

    def live_brokers(self) -> list[RegisterBrokerRecord]:
        """Registered brokers that are not fenced, by id."""
        return [
            self.brokers[key] for key in sorted(self.brokers) if not self.brokers[key].is_fenced
        ]

    def active_brokers(self) -> frozenset[int]:
        """Ids of those that may be in an ISR and lead: neither fenced nor shutting down."""
        return frozenset(key for key, broker in self.brokers.items() if broker.is_active)

    @property
    def node_count(self) -> int:
        """On how many machines the registered brokers are."""
        return len({broker.node_id for broker in self.brokers.values()})

    @property
    def spec_broker_count(self) -> int:
        """How many brokers the cluster shall have, as far as any of them was told."""
        return max((broker.spec_broker_count for broker in self.brokers.values()), default=1)

    def topic_configs(self, name: str) -> Mapping[str, str]:
        """The overrides of one topic, without defaults."""
        return self.configs.get((TOPIC_RESOURCE, name), MappingProxyType({}))

    def broker_configs(self, broker_id: int | None) -> Mapping[str, str]:
        """The dynamic overrides of one broker, or with None those for all of the cluster."""
        name = "" if broker_id is None else str(broker_id)
        return self.configs.get((BROKER_RESOURCE, name), MappingProxyType({}))

    def group_configs(self, group_id: str) -> Mapping[str, str]:
        """The overrides of one consumer group."""
        return self.configs.get((GROUP_RESOURCE, group_id), MappingProxyType({}))

    def partitions(self) -> Iterator[tuple[TopicImage, PartitionRecord]]:
        for topic in self.topics.values():
            for partition in topic.partitions:
                yield topic, partition


def _changed(
    before: Mapping[Key, Value], changes: Mapping[Key, Value | None]
) -> Mapping[Key, Value]:
    """Return `before` with `changes` laid over it (None removes), or itself if there are none."""
    if not changes:
        return before
    after = dict(before)
    for key, value in changes.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = value
    return MappingProxyType(after)


def quota_entity(parts: Iterable[tuple[str, str | None]]) -> QuotaEntity:
    """Return the parts in the order that makes equal entities equal."""
    return tuple(sorted(parts, key=lambda part: part[0]))


def preview(image: MetadataImage, records: Iterable[MetadataRecord]) -> MetadataImage:
    """Return what `image` will be with `records`, for answers that are told once they count."""
    delta = ImageDelta(image)
    delta.replay_all(records)
    return delta.publish(offset=image.offset, term=image.term)


class ImageDelta:
    """What a batch of records changes in `base`; replay is deterministic and does no I/O."""

    def __init__(self, base: MetadataImage) -> None:
        self._base = base
        self._removed_topics: set[str] = set()
        self._topic_names: dict[UUID, str | None] = {}
        self._partitions: dict[UUID, dict[int, PartitionRecord]] = {}
        self._brokers: dict[int, RegisterBrokerRecord | None] = {}
        self._retired: set[int] = set()
        self._configs: dict[tuple[int, str], dict[str, str]] = {}
        self._acls: dict[UUID, AccessControlEntryRecord | None] = {}
        self._features: dict[str, int | None] = {}
        self._scram: dict[tuple[str, int], UserScramCredentialRecord | None] = {}
        self._quotas: dict[QuotaEntity, dict[str, float]] = {}
        self._next_producer_id = base.next_producer_id

    def replay_all(self, records: Iterable[MetadataRecord]) -> None:
        for record in records:
            self.replay(record)

    def replay(self, record: MetadataRecord) -> None:
        """Take in one record. Raises ForeignRecord for one of no topic or no such broker."""
        match record:
            case PartitionRecord():
                self._partition_map(record.topic_id)[record.partition_index] = record
            case TopicRecord():
                self._topic_names[record.topic_id] = record.name
                self._partitions[record.topic_id] = {}
            case RemoveTopicRecord():
                self._remove_topic(record.topic_id)
            case ConfigRecord():
                self._replay_config(record)
            case RegisterBrokerRecord():
                self._brokers[record.broker_id] = record
            case BrokerRegistrationChangeRecord():
                self._change_broker(record)
            case UnregisterBrokerRecord():
                self._brokers[record.broker_id] = None
                self._retired.add(record.broker_id)
            case AccessControlEntryRecord():
                self._acls[record.acl_id] = record
            case RemoveAccessControlEntryRecord():
                self._acls[record.acl_id] = None
            case ProducerIdsRecord():
                self._next_producer_id = record.next_producer_id
            case FeatureLevelRecord():
                self._features[record.name] = record.level or None
            case UserScramCredentialRecord():
                self._scram[record.name, record.mechanism] = record
            case RemoveUserScramCredentialRecord():
                self._scram[record.name, record.mechanism] = None
            case ClientQuotaRecord():
                self._replay_quota(record)

    def publish(self, *, offset: int, term: int) -> MetadataImage:
        """Return the image after the batch, whose last record is at `offset`."""
        base = self._base
        return MetadataImage(
            offset=offset,
            term=term,
            topics=_changed(base.topics, self._changed_topics()),
            topic_names=_changed(base.topic_names, self._topic_names),
            brokers=_changed(base.brokers, self._brokers),
            retired_brokers=(
                base.retired_brokers | self._retired if self._retired else base.retired_brokers
            ),
            configs=_changed(
                base.configs,
                {key: MappingProxyType(own) if own else None for key, own in self._configs.items()},
            ),
            acls=_changed(base.acls, self._acls),
            features=_changed(base.features, self._features),
            scram_credentials=_changed(base.scram_credentials, self._scram),
            client_quotas=_changed(
                base.client_quotas,
                {key: MappingProxyType(own) if own else None for key, own in self._quotas.items()},
            ),
            next_producer_id=self._next_producer_id,
        )

    def _change_broker(self, record: BrokerRegistrationChangeRecord) -> None:
        if record.broker_id in self._brokers:
            found = self._brokers[record.broker_id]
        else:
            found = self._base.brokers.get(record.broker_id)
        if found is None or found.broker_epoch != record.broker_epoch:
            raise ForeignRecord(f"broker {record.broker_id} of epoch {record.broker_epoch}")
        self._brokers[record.broker_id] = replace(
            found, is_fenced=record.is_fenced, is_shutting_down=record.is_shutting_down
        )

    def _name_of(self, topic_id: UUID) -> str:
        if topic_id in self._topic_names:
            name = self._topic_names[topic_id]
        else:
            name = self._base.topic_names.get(topic_id)
        if name is None:
            raise ForeignRecord(str(topic_id))
        return name

    def _partition_map(self, topic_id: UUID) -> dict[int, PartitionRecord]:
        found = self._partitions.get(topic_id)
        if found is None:
            topic = self._base.topics[self._name_of(topic_id)]
            found = dict(enumerate(topic.partitions))
            self._partitions[topic_id] = found
        return found

    def _remove_topic(self, topic_id: UUID) -> None:
        name = self._name_of(topic_id)
        self._removed_topics.add(name)
        self._topic_names[topic_id] = None
        self._partitions.pop(topic_id, None)
        self._configs[TOPIC_RESOURCE, name] = {}

    def _replay_config(self, record: ConfigRecord) -> None:
        key = (record.resource_type, record.resource_name)
        own = self._configs.get(key)
        if own is None:
            own = self._configs[key] = dict(self._base.configs.get(key, {}))
        if record.value is None:
            own.pop(record.name, None)
        else:
            own[record.name] = record.value

    def _replay_quota(self, record: ClientQuotaRecord) -> None:
        key = quota_entity((part.entity_type, part.entity_name) for part in record.entity)
        own = self._quotas.get(key)
        if own is None:
            own = self._quotas[key] = dict(self._base.client_quotas.get(key, {}))
        if record.is_removed:
            own.pop(record.key, None)
        else:
            own[record.key] = record.value

    def _changed_topics(self) -> dict[str, TopicImage | None]:
        changed: dict[str, TopicImage | None] = dict.fromkeys(self._removed_topics)
        for topic_id, partitions in self._partitions.items():
            name = self._name_of(topic_id)
            rows = tuple(partitions[index] for index in sorted(partitions))
            changed[name] = TopicImage(name, topic_id, rows)
        return changed
