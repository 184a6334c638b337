"""New partitions: their replicas, first leader and ISR, commit mode, and CreatePartitions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from uuid import UUID

from data_plane.metadata.commit_rules import judge_of_values
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage, TopicImage
from data_plane.metadata.placement import candidates, place
from data_plane.metadata.records import CommitMode, MetadataRecord, PartitionRecord
from data_plane.protocol.errors import ErrorCode, InvalidRequest, KafkaError
from data_plane.protocol.messages.create_partitions import (
    CreatePartitionsRequestTopic,
    CreatePartitionsResponseResult,
)

PARTITIONS_PER_REQUEST_MAX = 10_000  # Kafka's own limit of one batch.

TopicValues = Callable[[str], Mapping[str, str]]  # Topic name -> configs in force, as text.
Charge = Callable[[int], None]  # Counts partitions created or deleted; raises KafkaError.


def free(_partition_count: int) -> None:
    """The charge of who has no quota."""


class InvalidPartitions(KafkaError):
    default_code = ErrorCode.INVALID_PARTITIONS


class InvalidReplicaAssignment(KafkaError):
    default_code = ErrorCode.INVALID_REPLICA_ASSIGNMENT


def commit_mode(
    image: MetadataImage, replicas: Sequence[int], values: Mapping[str, str]
) -> CommitMode:
    """Return when records of a partition count as committed (durability.md 1).

    values: the topic's configs in force.
    """
    return judge_of_values(image, values).wanted_mode(replicas)


def new_partition(
    image: MetadataImage,
    topic_id: UUID,
    partition_index: int,
    replicas: Sequence[int],
    values: Mapping[str, str],
) -> PartitionRecord:
    """Return the first record of a partition: every live replica is in sync, the first leads.

    Raises InvalidReplicaAssignment if no replica is live.
    """
    judge = judge_of_values(image, values)
    isr = tuple(replica for replica in replicas if replica in judge.active)
    if not isr:
        raise InvalidReplicaAssignment("All brokers specified in the assignment are fenced.")
    return PartitionRecord(
        topic_id=topic_id,
        partition_index=partition_index,
        replicas=tuple(replicas),
        isr=isr,
        leader=isr[0],
        leader_epoch=0,
        partition_epoch=0,
        commit_mode=judge.first_mode(replicas, isr),
    )


def check_replicas(image: MetadataImage, replicas: Sequence[int], replication_factor: int) -> None:
    """Raise InvalidReplicaAssignment unless one partition's manual assignment can be used."""
    if not replicas:
        raise InvalidReplicaAssignment("The manual partition assignment includes an empty list.")
    if len(set(replicas)) != len(replicas):
        raise InvalidReplicaAssignment(
            f"The manual partition assignment includes the same broker twice: {list(replicas)}."
        )
    for replica in replicas:
        if replica not in image.brokers:
            raise InvalidReplicaAssignment(
                f"The manual partition assignment includes broker {replica}, but no such broker "
                "is registered."
            )
    if len(replicas) != replication_factor:
        raise InvalidReplicaAssignment(
            f"The manual partition assignment includes a partition with {len(replicas)} "
            f"replica(s), but this is not consistent with previous partitions, which have "
            f"{replication_factor} replica(s)."
        )


def decide_create_partitions(
    image: MetadataImage,
    topics: Sequence[CreatePartitionsRequestTopic],
    *,
    rng: Random,
    values: TopicValues,
    validate_only: bool = False,
    charge: Charge = free,
    refused: Mapping[str, KafkaError] | None = None,
) -> Decision[list[CreatePartitionsResponseResult]]:
    """Say which topics may grow. Result i answers topic i of the request.

    charge: told how many partitions a topic gains, once nothing else is wrong.
    refused: topics that the asker may not alter, with what to answer.
    """
    names = [topic.name for topic in topics]
    rows: list[CreatePartitionsResponseResult] = []
    records: list[MetadataRecord] = []
    for topic in topics:
        try:
            _check_asked(topic, names, refused or {})
            added = _added(image, topic, rng=rng, values=values)
            charge(len(added))
        except KafkaError as error:
            rows.append(CreatePartitionsResponseResult(topic.name, error.code, error.message))
        else:
            rows.append(CreatePartitionsResponseResult(topic.name))
            records += added
    return Decision(rows, () if validate_only else records)


def _check_asked(
    topic: CreatePartitionsRequestTopic,
    names: Collection[str],
    refused: Mapping[str, KafkaError],
) -> None:
    if sum(name == topic.name for name in names) > 1:
        raise InvalidRequest("Duplicate topic name.")
    if topic.name in refused:
        raise refused[topic.name]


def _added(
    image: MetadataImage,
    asked: CreatePartitionsRequestTopic,
    *,
    rng: Random,
    values: TopicValues,
) -> list[PartitionRecord]:
    topic = image.topic(asked.name)
    if topic is None:
        raise KafkaError(code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    _check_count(topic, asked.count)
    replication_factor = len(topic.partitions[0].replicas)
    count = len(topic.partitions)
    replicas: Sequence[Sequence[int]]
    if asked.assignments is None:
        replicas = place(
            candidates(image),
            partition_count=asked.count - count,
            replication_factor=replication_factor,
            rng=rng,
        )
    else:
        replicas = [assignment.broker_ids for assignment in asked.assignments]
        if len(replicas) != asked.count - count:
            raise InvalidReplicaAssignment(
                f"Attempted to add {asked.count - count} additional partition(s), but only "
                f"{len(replicas)} assignment(s) were specified."
            )
        for chosen in replicas:
            check_replicas(image, chosen, replication_factor)
    in_force = values(topic.name)
    return [
        new_partition(image, topic.topic_id, count + index, chosen, in_force)
        for index, chosen in enumerate(replicas)
    ]


def _check_count(topic: TopicImage, count: int) -> None:
    now = len(topic.partitions)
    if topic.is_internal:
        # Groups and transactions find their coordinator by a hash modulo this count.
        raise InvalidRequest(f"The partition count of {topic.name} is fixed at its creation.")
    if count == now:
        raise InvalidPartitions(f"Topic already has {now} partition(s).")
    if count < now:
        raise InvalidPartitions(
            f"The topic {topic.name} currently has {now} partition(s); {count} would not be "
            "an increase."
        )
    if count - now > PARTITIONS_PER_REQUEST_MAX:
        raise KafkaError(
            f"At most {PARTITIONS_PER_REQUEST_MAX} partitions can be added at a time.",
            code=ErrorCode.POLICY_VIOLATION,
        )
