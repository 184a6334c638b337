"""ElectLeaders decided (KIP-460): the preferred leader, or any eligible one where there is none."""

import dataclasses
from collections.abc import Sequence

from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.elect_leaders import (
    PREFERRED,
    ElectLeadersRequestTopic,
    ElectLeadersResponsePartition,
    ElectLeadersResponseTopic,
)

NO_LEADER = -1


def decide_elect_leaders(
    image: MetadataImage, topics: Sequence[ElectLeadersRequestTopic] | None, election_type: int
) -> Decision[list[ElectLeadersResponseTopic]]:
    """Say which partitions get a new leader; topics None: all, of which only those are listed
    that needed an election.
    """
    records: list[PartitionRecord] = []
    rows: list[ElectLeadersResponseTopic] = []
    for name, indexes in _asked(image, topics):
        results: list[ElectLeadersResponsePartition] = []
        for index in indexes:
            try:
                records.append(_elected(image, image.partition(name, index), election_type))
            except KafkaError as error:
                if topics is None and error.code == ErrorCode.ELECTION_NOT_NEEDED:
                    continue
                results.append(ElectLeadersResponsePartition(index, error.code, error.message))
            else:
                results.append(ElectLeadersResponsePartition(index))
        if results or topics is not None:
            rows.append(ElectLeadersResponseTopic(name, results))
    return Decision(rows, records)


def _asked(
    image: MetadataImage, topics: Sequence[ElectLeadersRequestTopic] | None
) -> list[tuple[str, Sequence[int]]]:
    if topics is None:
        return [(name, range(len(topic.partitions))) for name, topic in image.topics.items()]
    merged: dict[str, dict[int, None]] = {}
    for topic in topics:
        merged.setdefault(topic.topic, {}).update(dict.fromkeys(topic.partitions))
    return [(name, tuple(indexes)) for name, indexes in merged.items()]


def _elected(
    image: MetadataImage, partition: PartitionRecord | None, election_type: int
) -> PartitionRecord:
    """The partition under its new leader. Raises KafkaError where there is none to elect."""
    if partition is None:
        raise KafkaError("No such partition.", code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    live = {broker.broker_id for broker in image.live_brokers()}
    if election_type == PREFERRED:
        return _led_by(partition, _preferred(partition, live))
    if partition.leader != NO_LEADER:
        raise KafkaError("There is a leader.", code=ErrorCode.ELECTION_NOT_NEEDED)
    eligible = {*partition.isr, *partition.elr} & live
    for replica in partition.replicas:
        if replica in eligible:
            return _led_by(partition, replica)
    raise KafkaError("No eligible replica is alive.", code=ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE)


def _preferred(partition: PartitionRecord, live: set[int]) -> int:
    preferred = partition.replicas[0]
    if partition.leader == preferred:
        raise KafkaError("The preferred replica leads.", code=ErrorCode.ELECTION_NOT_NEEDED)
    if preferred not in partition.isr or preferred not in live:
        raise KafkaError(
            "The preferred replica is not in sync.",
            code=ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
        )
    return preferred


def _led_by(partition: PartitionRecord, leader: int) -> PartitionRecord:
    return dataclasses.replace(
        partition,
        leader=leader,
        leader_epoch=partition.leader_epoch + 1,
        partition_epoch=partition.partition_epoch + 1,
    )
