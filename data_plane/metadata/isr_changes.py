"""AlterPartition decided: a leader asks for another ISR or commit mode (KIP-497, KIP-903).

Both epochs are compared, so of two changes that were derived from one state only the first counts.
"""

from collections.abc import Sequence
from uuid import UUID

from data_plane.metadata.brokers import checked_broker
from data_plane.metadata.commit_rules import Judge, Judges
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.leadership import wanted_mode, with_isr
from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.protocol.errors import (
    ErrorCode,
    FencedLeaderEpoch,
    InvalidRequest,
    KafkaError,
    NotController,
    UnknownTopicId,
    UnknownTopicOrPartition,
)
from data_plane.protocol.messages.alter_partition import (
    MODE_UNCHANGED,
    AlterPartitionRequest,
    AlterPartitionRequestBrokerState,
    AlterPartitionRequestPartition,
    AlterPartitionResponse,
    AlterPartitionResponsePartition,
    AlterPartitionResponseTopic,
)

RECOVERED, RECOVERING = 0, 1


class InvalidUpdateVersion(KafkaError):
    default_code = ErrorCode.INVALID_UPDATE_VERSION


class IneligibleReplica(KafkaError):
    default_code = ErrorCode.INELIGIBLE_REPLICA


def decide_alter_partition(
    scope: ConfigScope, request: AlterPartitionRequest
) -> Decision[AlterPartitionResponse]:
    """Say which partitions change; each is answered on its own, with the state it has then.

    Raises BrokerIdNotRegistered or StaleBrokerEpoch for all of them.
    """
    checked_broker(scope.image, request.broker_id, request.broker_epoch)
    judges = Judges(scope)
    records: list[PartitionRecord] = []
    topics = []
    for topic in request.topics:
        rows = []
        for asked in topic.partitions:
            try:
                before = _found(scope.image, topic.topic_id, asked.partition_index)
                judge = judges.of(scope.image.topic_names[topic.topic_id])
                after = _changed(scope.image, before, asked, judge, request.broker_id)
            except KafkaError as error:
                rows.append(AlterPartitionResponsePartition(asked.partition_index, error.code))
            else:
                rows.append(_row(before, after))
                if after is not before:
                    records.append(after)
        topics.append(AlterPartitionResponseTopic(topic.topic_id, rows))
    return Decision(AlterPartitionResponse(topics=topics), records)


def _found(image: MetadataImage, topic_id: UUID, index: int) -> PartitionRecord:
    topic = image.topic_by_id(topic_id)
    if topic is None:
        raise UnknownTopicId
    if not 0 <= index < len(topic.partitions):
        raise UnknownTopicOrPartition
    return topic.partitions[index]


def _changed(
    image: MetadataImage,
    row: PartitionRecord,
    asked: AlterPartitionRequestPartition,
    judge: Judge,
    leader: int,
) -> PartitionRecord:
    _check_epochs(row, asked, leader)
    members = members_of(asked)
    _check_members(image, row, members, judge)
    if asked.leader_recovery_state not in (RECOVERED, RECOVERING) or (
        asked.leader_recovery_state == RECOVERING and not row.is_recovering
    ):
        raise InvalidRequest("The leader recovery state cannot go back.")
    mode = None
    if asked.commit_mode not in (MODE_UNCHANGED, row.commit_mode):
        mode = _checked_mode(row, asked.commit_mode, judge)
    return with_isr(row, [each.broker_id for each in members], judge, mode=mode)


def members_of(
    asked: AlterPartitionRequestPartition,
) -> Sequence[AlterPartitionRequestBrokerState]:
    """Read both forms of the ISR as one."""
    return asked.new_isr_with_epochs or [
        AlterPartitionRequestBrokerState(each) for each in asked.new_isr
    ]


def _check_epochs(row: PartitionRecord, asked: AlterPartitionRequestPartition, leader: int) -> None:
    if asked.leader_epoch > row.leader_epoch or asked.partition_epoch > row.partition_epoch:
        raise NotController("The leader has seen a later state than this controller.")
    if asked.leader_epoch < row.leader_epoch:
        raise FencedLeaderEpoch
    if leader != row.leader:
        raise InvalidRequest(f"Broker {leader} does not lead the partition.")
    if asked.partition_epoch < row.partition_epoch:
        raise InvalidUpdateVersion


def _check_members(
    image: MetadataImage,
    row: PartitionRecord,
    members: Sequence[AlterPartitionRequestBrokerState],
    judge: Judge,
) -> None:
    ids = [each.broker_id for each in members]
    if row.leader not in ids or len(set(ids)) != len(ids) or not set(ids) <= set(row.replicas):
        raise InvalidRequest(f"{ids} cannot be the ISR of replicas {list(row.replicas)}.")
    for each in members:
        known = image.brokers.get(each.broker_id)
        # The leader may go on while it shuts down, if nobody else can lead.
        is_ready = each.broker_id in judge.active or each.broker_id == row.leader
        if known is None or not is_ready or each.broker_epoch not in (-1, known.broker_epoch):
            raise IneligibleReplica(f"Broker {each.broker_id} cannot be in sync now.")


def _checked_mode(row: PartitionRecord, asked: int, judge: Judge) -> int:
    """`synced` is the one mode that a leader may ask for: it alone knows what is synced."""
    if asked != CommitMode.SYNCED or wanted_mode(row, judge) is not CommitMode.SYNCED:
        raise InvalidRequest(f"Commit mode {asked} is not what the partition shall have.")
    return asked


def _row(before: PartitionRecord, after: PartitionRecord) -> AlterPartitionResponsePartition:
    return AlterPartitionResponsePartition(
        after.partition_index,
        ErrorCode.NONE if after.leader == before.leader else ErrorCode.NEW_LEADER_ELECTED,
        after.leader,
        after.leader_epoch,
        after.isr,
        int(after.is_recovering),
        after.partition_epoch,
    )
