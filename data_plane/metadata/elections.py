"""ElectLeaders decided (KIP-460): the preferred leader, or any eligible one where there is none."""

from collections.abc import Callable, Mapping, Sequence

from data_plane.metadata.commit_rules import Judge, Judges
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.leadership import (
    NO_ENDS,
    NO_LEADER,
    ReplicaEnd,
    elected,
    led_by,
    led_uncleanly,
)
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.errors import ErrorCode, KafkaError, UnknownTopicOrPartition
from data_plane.protocol.messages.elect_leaders import (
    PREFERRED,
    ElectLeadersRequestTopic,
    ElectLeadersResponsePartition,
    ElectLeadersResponseTopic,
)

BALANCED_AT_ONCE_MAX = 1_000

EndsOf = Callable[[PartitionRecord], Mapping[int, ReplicaEnd]]


def untold(_row: PartitionRecord) -> Mapping[int, ReplicaEnd]:
    """No broker has told how far its replica reaches."""
    return NO_ENDS


def decide_balance(scope: ConfigScope) -> Decision[None]:
    """Give partitions back to their preferred replicas, where those are in sync (KIP-460)."""
    judges = Judges(scope)
    active = judges.active
    records = [
        led_by(row, row.replicas[0], judges.of(topic.name))
        for topic, row in scope.image.partitions()
        if row.leader not in (NO_LEADER, row.replicas[0])
        and row.replicas[0] in active
        and row.replicas[0] in row.isr
    ]
    return Decision(None, records[:BALANCED_AT_ONCE_MAX])


def decide_elect_leaders(
    scope: ConfigScope,
    topics: Sequence[ElectLeadersRequestTopic] | None,
    election_type: int,
    ends_of: EndsOf = untold,
) -> Decision[list[ElectLeadersResponseTopic]]:
    """Say which partitions get a new leader; topics None: all, of which only those are listed
    that needed an election.

    ends_of: how far the replicas of a partition reach that nobody leads, as brokers told.
    """
    image = scope.image
    judges = Judges(scope)
    records: list[PartitionRecord] = []
    rows: list[ElectLeadersResponseTopic] = []
    for name, indexes in _asked(image, topics):
        results: list[ElectLeadersResponsePartition] = []
        for index in indexes:
            try:
                row = image.partition(name, index)
                if row is None:
                    raise UnknownTopicOrPartition("No such partition.")
                records.append(_elected(row, judges.of(name), election_type, ends_of))
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
    row: PartitionRecord, judge: Judge, election_type: int, ends_of: EndsOf
) -> PartitionRecord:
    """The partition under its new leader. Raises KafkaError where there is none to elect."""
    if election_type == PREFERRED:
        return led_by(row, _preferred(row, judge), judge)
    if row.leader != NO_LEADER:
        raise KafkaError("There is a leader.", code=ErrorCode.ELECTION_NOT_NEEDED)
    clean = elected(row, judge)
    if clean is not row and clean.leader != NO_LEADER:
        return clean
    # Whoever asks for this says that what the missing replicas had more may be lost.
    unclean = led_uncleanly(row, judge, ends_of(row))
    if unclean is row:
        raise KafkaError("No replica is alive.", code=ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE)
    return unclean


def _preferred(row: PartitionRecord, judge: Judge) -> int:
    preferred = row.replicas[0]
    if row.leader == preferred:
        raise KafkaError("The preferred replica leads.", code=ErrorCode.ELECTION_NOT_NEEDED)
    if preferred not in row.isr or preferred not in judge.active:
        raise KafkaError(
            "The preferred replica is not in sync.",
            code=ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
        )
    return preferred
