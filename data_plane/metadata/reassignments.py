"""Moves of replicas between brokers, decided (KIP-455).

A move makes the replicas that come followers, waits until the whole target is in sync, and then
drops those that go, in the transaction that completes the ISR (leadership.with_isr). A move that
only drops replicas, or only orders them anew, is done at once where the target is in sync.
"""

import dataclasses
from collections.abc import Iterator, Sequence

from data_plane.metadata.commit_rules import Judge, Judges
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import MetadataImage, TopicImage
from data_plane.metadata.leadership import moved, needs_epoch, without
from data_plane.metadata.partitions import InvalidReplicaAssignment, check_replicas
from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.protocol.errors import ErrorCode, KafkaError, UnknownTopicOrPartition
from data_plane.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequestTopic,
    AlterPartitionReassignmentsResponsePartition,
    AlterPartitionReassignmentsResponseTopic,
)


class NoReassignmentInProgress(KafkaError):
    default_code = ErrorCode.NO_REASSIGNMENT_IN_PROGRESS


class InvalidReplicationFactorChange(KafkaError):
    default_code = ErrorCode.INVALID_REPLICATION_FACTOR


def decide_alter_reassignments(
    scope: ConfigScope,
    topics: Sequence[AlterPartitionReassignmentsRequestTopic],
    *,
    may_change_count: bool = True,
) -> Decision[list[AlterPartitionReassignmentsResponseTopic]]:
    """Row i, j answers partition j of topic i of the request.

    may_change_count: a target of another size than the partition has is allowed (KIP-860).
    """
    judges = Judges(scope)
    records: list[PartitionRecord] = []
    rows: list[AlterPartitionReassignmentsResponseTopic] = []
    for topic in topics:
        results: list[AlterPartitionReassignmentsResponsePartition] = []
        for asked in topic.partitions:
            code, message = 0, None
            try:
                row = scope.image.partition(topic.name, asked.partition_index)
                if row is None:
                    raise UnknownTopicOrPartition("No such partition.")
                judge = judges.of(topic.name)
                if asked.replicas is None:
                    after = _cancelled(row, judge)
                else:
                    check_replicas(scope.image, asked.replicas, len(asked.replicas))
                    if not may_change_count:
                        _check_count(row, asked.replicas)
                    after = moving(row, asked.replicas, judge)
            except KafkaError as error:
                code, message = error.code, error.message
            else:
                if after is not row:
                    records.append(after)
            results.append(
                AlterPartitionReassignmentsResponsePartition(asked.partition_index, code, message)
            )
        rows.append(AlterPartitionReassignmentsResponseTopic(topic.name, results))
    return Decision(rows, records)


def moves_in(topic: TopicImage) -> Iterator[PartitionRecord]:
    """The partitions of a topic that are under way."""
    return (row for row in topic.partitions if row.is_moving)


def moving(row: PartitionRecord, target: Sequence[int], judge: Judge) -> PartitionRecord:
    """The partition on its way to `target`, from wherever an earlier move had it.

    What an earlier move was adding and this one does not want goes at once: nothing rests on it
    that the ISR does not show.
    """
    origin = [each for each in row.replicas if each not in row.adding_replicas]
    dropped = [each for each in row.adding_replicas if each not in target]
    row_without = _dropped(row, dropped, judge)
    going = tuple(each for each in origin if each not in target)
    coming = tuple(each for each in target if each not in origin)
    after = dataclasses.replace(
        row_without,
        replicas=(*target, *going),
        adding_replicas=coming,
        removing_replicas=going,
        leader_epoch=row.leader_epoch,
        partition_epoch=row.partition_epoch,
    )
    if after == row:
        return row
    done = moved(after, judge)
    epoch = row.leader_epoch + int(needs_epoch(row, done))
    return dataclasses.replace(done, leader_epoch=epoch, partition_epoch=row.partition_epoch + 1)


def _cancelled(row: PartitionRecord, judge: Judge) -> PartitionRecord:
    """Back to where the move began. Raises NoReassignmentInProgress, InvalidReplicaAssignment."""
    if not row.is_moving:
        raise NoReassignmentInProgress("No reassignment of this partition is under way.")
    origin = tuple(each for each in row.replicas if each not in row.adding_replicas)
    kept = _dropped(row, row.adding_replicas, judge)
    back = dataclasses.replace(kept, replicas=origin, adding_replicas=(), removing_replicas=())
    return dataclasses.replace(
        back,
        leader_epoch=row.leader_epoch + int(needs_epoch(row, back)),
        partition_epoch=row.partition_epoch + 1,
    )


def _dropped(row: PartitionRecord, brokers: Sequence[int], judge: Judge) -> PartitionRecord:
    """Take replicas out of a partition that others can do without.

    Raises InvalidReplicaAssignment where nobody else could lead, or where a `spread` partition
    would rest on one machine.
    """
    if not brokers:
        return row
    after = without(row, judge, erased=brokers)
    if not after.isr or after.is_recovering != row.is_recovering:
        raise InvalidReplicaAssignment(
            "The replicas that the partition would be left with are not in sync."
        )
    if (
        row.commit_mode == CommitMode.SPREAD
        and judge.covers(row.isr, row.replicas)
        and not judge.covers(after.isr, after.replicas)
    ):
        raise InvalidReplicaAssignment(
            "The replicas that are in sync would be on one machine only; wait for others."
        )
    return after


def _check_count(row: PartitionRecord, target: Sequence[int]) -> None:
    now = len(row.replicas) - len(row.adding_replicas)
    if len(target) != now:
        raise InvalidReplicationFactorChange(
            f"The replication factor is {now} and would be {len(target)}."
        )


def decide_raise_replicas(
    scope: ConfigScope, topic: TopicImage, replication_factor: int
) -> Decision[None]:
    """Give every partition of a topic more replicas, spread as well as new ones would be.

    Preferred leaders are dealt out anew, so that the brokers that came get their share.
    """
    judge = Judges(scope).of(topic.name)
    rows = []
    for row in topic.partitions:
        if not row.is_moving and len(row.replicas) < replication_factor:
            target = widened_target(scope.image, row, replication_factor)
            if len(target) > len(row.replicas):
                turn = row.partition_index % len(target)
                rows.append(moving(row, target[turn:] + target[:turn], judge))
    return Decision(None, rows)


def widened_target(
    image: MetadataImage, row: PartitionRecord, replication_factor: int
) -> list[int]:
    """The replicas there are and, behind them, brokers on other racks and machines first.

    Among equals the next one in turn, by the partition's index.
    """
    target = list(row.replicas)
    active = sorted(image.active_brokers() - set(target))
    turn = row.partition_index % len(active) if active else 0
    candidates = active[turn:] + active[:turn]
    while candidates and len(target) < replication_factor:
        racks = {image.brokers[each].rack for each in target if each in image.brokers}
        nodes = {image.brokers[each].node_id for each in target if each in image.brokers}
        best = min(
            candidates,
            key=lambda each: (
                image.brokers[each].rack in racks,
                image.brokers[each].node_id in nodes,
            ),
        )
        target.append(best)
        candidates.remove(best)
    return target
