"""CreateTopics and DeleteTopics decided: every refusal with Kafka's code, records for the rest."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope, check_topic_configs
from data_plane.metadata.image import TOPIC_RESOURCE, MetadataImage, TopicImage
from data_plane.metadata.partitions import (
    PARTITIONS_PER_REQUEST_MAX,
    Charge,
    InvalidPartitions,
    InvalidReplicaAssignment,
    check_replicas,
    free,
    new_partition,
)
from data_plane.metadata.placement import InvalidReplicationFactor, candidates, place
from data_plane.metadata.records import (
    ConfigRecord,
    MetadataRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from data_plane.metadata.topic_names import (
    METADATA_TOPIC,
    InvalidTopic,
    check_topic_name,
    collision,
)
from data_plane.protocol.errors import (
    ErrorCode,
    InvalidRequest,
    KafkaError,
    PolicyViolation,
    UnknownTopicId,
    UnknownTopicOrPartition,
)
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequestTopic,
    CreateTopicsResponseConfig,
    CreateTopicsResponseTopic,
)
from data_plane.protocol.messages.delete_topics import (
    DeleteTopicsRequestTopic,
    DeleteTopicsResponseTopic,
)
from data_plane.protocol.schema import NO_ID


class TopicAlreadyExists(KafkaError):
    default_code = ErrorCode.TOPIC_ALREADY_EXISTS


@dataclass(frozen=True, slots=True)
class CreateRules:
    """What a creation needs besides the request and the image.

    charge: told how many partitions a topic has, last before it is created; may raise KafkaError.
    refused: topics the asker may not create, with what to answer.
    hides_configs: topics whose configs the asker may not see; told in the answer instead of them.
    """

    new_id: Callable[[], UUID]
    rng: Random
    scope: ConfigScope
    default_partition_count: int = 1
    default_replication_factor: int = 1
    validate_only: bool = False
    charge: Charge = free
    refused: Mapping[str, KafkaError] = field(default_factory=dict)
    hides_configs: Collection[str] = ()


def decide_create_topics(
    topics: Sequence[CreateTopicsRequestTopic], rules: CreateRules
) -> Decision[list[CreateTopicsResponseTopic]]:
    """Say which topics may be born. Each name is answered once, in the order of the request.

    Reads `rules.scope.image`. Topics of one request are checked against each other too.
    """
    counts = Counter(topic.name for topic in topics)
    taken = set(rules.scope.image.topics)
    rows: dict[str, CreateTopicsResponseTopic] = {}
    records: list[MetadataRecord] = []
    for topic in topics:
        try:
            if counts[topic.name] > 1:
                raise InvalidRequest("Duplicate topic name.")
            if topic.name in rules.refused:
                raise rules.refused[topic.name]
            born = _born(topic, taken, len(records), rules)
        except KafkaError as error:
            rows[topic.name] = CreateTopicsResponseTopic(
                topic.name, error_code=error.code, error_message=error.message
            )
        else:
            rows[topic.name] = _row(topic, born, rules)
            records += born
            taken.add(topic.name)
    return Decision(list(rows.values()), () if rules.validate_only else records)


def _born(
    topic: CreateTopicsRequestTopic, taken: set[str], records_before: int, rules: CreateRules
) -> list[MetadataRecord]:
    """Return all records of one new topic. Raises KafkaError with what is wrong about it."""
    _check_name(topic.name, taken)
    configs = {config.name: config.value for config in topic.configs}
    check_topic_configs(configs)
    values = rules.scope.topic_values({k: v for k, v in configs.items() if v is not None})
    replicas = _assigned(topic, rules) if topic.assignments else _placed(topic, rules)
    if records_before + len(replicas) > PARTITIONS_PER_REQUEST_MAX:
        raise PolicyViolation(
            f"At most {PARTITIONS_PER_REQUEST_MAX} partitions can be created at a time."
        )
    rules.charge(len(replicas))
    topic_id = rules.new_id()
    image = rules.scope.image
    return [
        TopicRecord(topic.name, topic_id),
        *(
            new_partition(image, topic_id, index, chosen, values)
            for index, chosen in enumerate(replicas)
        ),
        *(
            ConfigRecord(TOPIC_RESOURCE, topic.name, name, value)
            for name, value in sorted(configs.items())
        ),
    ]


def _check_name(name: str, taken: set[str]) -> None:
    check_topic_name(name)
    if name == METADATA_TOPIC:
        raise InvalidRequest(f"Creation of internal topic {METADATA_TOPIC} is prohibited.")
    if name in taken:
        raise TopicAlreadyExists(f"Topic '{name}' already exists.")
    other = collision(name, taken)
    if other is not None:
        raise InvalidTopic(f"Topic '{name}' collides with existing topic: {other}")


def _placed(topic: CreateTopicsRequestTopic, rules: CreateRules) -> list[tuple[int, ...]]:
    if topic.num_partitions == 0 or topic.num_partitions < -1:
        raise InvalidPartitions("Number of partitions was set to an invalid non-positive value.")
    if topic.replication_factor == 0 or topic.replication_factor < -1:
        raise InvalidReplicationFactor(
            "Replication factor must be larger than 0, or -1 to use the default value."
        )
    is_default = topic.num_partitions == -1
    partition_count = rules.default_partition_count if is_default else topic.num_partitions
    if partition_count > PARTITIONS_PER_REQUEST_MAX:
        raise PolicyViolation(
            f"At most {PARTITIONS_PER_REQUEST_MAX} partitions can be created at a time."
        )
    return place(
        candidates(rules.scope.image),
        partition_count=partition_count,
        replication_factor=(
            rules.default_replication_factor
            if topic.replication_factor == -1
            else topic.replication_factor
        ),
        rng=rules.rng,
    )


def _assigned(topic: CreateTopicsRequestTopic, rules: CreateRules) -> list[tuple[int, ...]]:
    """Check a manual assignment; it says both counts, so the request must not."""
    if topic.replication_factor != -1:
        raise InvalidRequest(
            "A manual partition assignment was specified, but replication factor was not set to -1."
        )
    if topic.num_partitions != -1:
        raise InvalidRequest(
            "A manual partition assignment was specified, but numPartitions was not set to -1."
        )
    by_index = {one.partition_index: tuple(one.broker_ids) for one in topic.assignments}
    if len(by_index) != len(topic.assignments):
        raise InvalidReplicaAssignment("Found multiple manual assignments for one partition.")
    if sorted(by_index) != list(range(len(by_index))):
        raise InvalidReplicaAssignment(
            "Partitions should be a consecutive 0-based integer sequence."
        )
    for replicas in by_index.values():
        check_replicas(rules.scope.image, replicas, len(by_index[0]))
    return [by_index[index] for index in range(len(by_index))]


def _row(
    topic: CreateTopicsRequestTopic, born: Sequence[MetadataRecord], rules: CreateRules
) -> CreateTopicsResponseTopic:
    partitions = [record for record in born if isinstance(record, PartitionRecord)]
    overrides = {config.name: config.value for config in topic.configs if config.value is not None}
    if topic.name in rules.hides_configs:
        # KIP-525: without DESCRIBE_CONFIGS the topic is created and its details stay hidden.
        return CreateTopicsResponseTopic(
            topic.name,
            partitions[0].topic_id,
            topic_config_error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED,
            configs=None,
        )
    configs = [
        CreateTopicsResponseConfig(
            row.key.name, row.value, row.is_read_only, row.source, row.key.is_sensitive
        )
        for row in rules.scope.topic_rows(overrides)
    ]
    return CreateTopicsResponseTopic(
        topic.name,
        NO_ID if rules.validate_only else partitions[0].topic_id,
        num_partitions=len(partitions),
        replication_factor=len(partitions[0].replicas),
        configs=configs,
    )


def decide_delete_topics(
    image: MetadataImage,
    topics: Sequence[DeleteTopicsRequestTopic],
    *,
    charge: Charge = free,
    refused: Mapping[str, KafkaError] | None = None,
    hidden: Collection[str] = (),
) -> Decision[list[DeleteTopicsResponseTopic]]:
    """Say which topics go. Row i answers topic i of the request.

    charge: told how many partitions a topic has that could go; may raise KafkaError.
    refused: topics the asker may not delete, with what to answer; `hidden`: those whose name it
    may not even learn when it gave an id.
    """
    found = [_found(image, topic) for topic in topics]
    counts = Counter(topic.topic_id for topic in found if topic is not None)
    rows: list[DeleteTopicsResponseTopic] = []
    records: list[MetadataRecord] = []
    for asked, topic in zip(topics, found, strict=True):
        try:
            _check_deletable(asked, topic, refused or {})
            assert topic is not None
            if counts[topic.topic_id] > 1:
                raise InvalidRequest("The topic was named more than once.")
            charge(len(topic.partitions))
        except KafkaError as error:
            known = topic.name if topic is not None and topic.name not in hidden else None
            name = asked.name if asked.name is not None else known
            rows.append(DeleteTopicsResponseTopic(name, asked.topic_id, error.code, error.message))
        else:
            rows.append(DeleteTopicsResponseTopic(topic.name, topic.topic_id))
            records.append(RemoveTopicRecord(topic.topic_id))
    return Decision(rows, records)


def _found(image: MetadataImage, asked: DeleteTopicsRequestTopic) -> TopicImage | None:
    return image.topic_by_id(asked.topic_id) if asked.name is None else image.topic(asked.name)


def _check_deletable(
    asked: DeleteTopicsRequestTopic, topic: TopicImage | None, refused: Mapping[str, KafkaError]
) -> None:
    if asked.name is not None and asked.topic_id != NO_ID:
        raise InvalidRequest("You may not specify both topic name and topic id.")
    if asked.name is None and asked.topic_id == NO_ID:
        raise InvalidRequest("Neither topic name nor id were specified.")
    name = asked.name if topic is None else topic.name
    if name is not None and name in refused:
        raise refused[name]
    if topic is None:
        raise UnknownTopicId if asked.name is None else UnknownTopicOrPartition
    if topic.is_internal:
        raise PolicyViolation("Coordinators keep their state in this topic.")
