"""Decisions on committed offsets, and on whole groups that nobody is in: commit, delete, expire."""

from collections.abc import Iterator, Sequence

from data_plane.coordinator import offsets
from data_plane.coordinator.classic_answers import Outcome
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.classic_member import GroupState
from data_plane.coordinator.consumer_group import ConsumerGroup
from data_plane.coordinator.consumer_group_records import TopicIdPartition
from data_plane.coordinator.group_records import GroupRemoved, OffsetCommitted
from data_plane.coordinator.group_table import GroupTable
from data_plane.coordinator.offsets import OffsetsCommit, TopicPartition
from data_plane.coordinator.shard import InTransaction
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.schema import NO_ID


def decide_commit(
    table: GroupTable, commit: OffsetsCommit, image: MetadataImage, now_ms: int
) -> Decision[tuple[ErrorCode, ...]]:
    """One code for each offset, in order; those refused one by one leave the others valid."""
    consumer_group = table.consumers.get(commit.group_id)
    if consumer_group is None:
        code = offsets.check_commit(table.classic.get(commit.group_id), commit, now_ms)
    else:
        version = commit.api_version if commit.producer is None else None
        code = consumer_group.check_commit(
            commit.member_id, commit.generation, version, _partitions(commit, image)
        )
    if code is not ErrorCode.NONE:
        return Decision((code,) * len(commit.offsets))
    chars_max = table.config.offset_metadata_chars_max
    codes = tuple(offsets.check_offset(offset, chars_max) for offset in commit.offsets)
    accepted = [
        offset for offset, code in zip(commit.offsets, codes, strict=True) if code is ErrorCode.NONE
    ]
    if commit.producer is None:
        return Decision(codes, accepted)
    return Decision(codes, [InTransaction(commit.producer, offset) for offset in accepted])


def _partitions(commit: OffsetsCommit, image: MetadataImage) -> Iterator[TopicIdPartition]:
    """What is committed, by topic id; a topic without one is nobody's."""
    for offset in commit.offsets:
        topic = image.topic(offset.topic)
        yield (NO_ID if topic is None else topic.topic_id), offset.partition


def decide_delete_group(table: GroupTable, group_id: str) -> Decision[ErrorCode]:
    """Forget a group without members, and its offsets."""
    group, consumer_group = table.classic.get(group_id), table.consumers.get(group_id)
    if group is None and consumer_group is None:
        return Decision(ErrorCode.GROUP_ID_NOT_FOUND)
    if (group is not None and not group.is_in(GroupState.EMPTY)) or (
        consumer_group is not None and consumer_group.members
    ):
        return Decision(ErrorCode.NON_EMPTY_GROUP)
    removals = [offsets.removal(offset) for offset in _held(table, group_id).values()]
    if consumer_group is not None:
        return Decision(ErrorCode.NONE, [*removals, *consumer_group.removal()])
    return Decision(ErrorCode.NONE, [*removals, GroupRemoved(group_id)])


def decide_delete_offsets(
    table: GroupTable, group_id: str, wanted: Sequence[TopicPartition]
) -> Decision[tuple[ErrorCode, tuple[ErrorCode, ...]]]:
    """A code for the group and one for each partition; topics still consumed are refused."""
    group, consumer_group = table.classic.get(group_id), table.consumers.get(group_id)
    if consumer_group is not None:
        consumed: set[str] | None = consumer_group.subscribed_names()
    else:
        code = offsets.check_delete(group)
        if group is None or code is not ErrorCode.NONE:
            return Decision((code, ()))
        consumed = offsets.consumed_topics(group)
    codes = tuple(
        ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
        if consumed is None or topic in consumed
        else ErrorCode.NONE
        for topic, _ in wanted
    )
    held = _held(table, group_id)
    removals = [
        offsets.removal(held[at])
        for at, code in zip(wanted, codes, strict=True)
        if code is ErrorCode.NONE and at in held
    ]
    return Decision((ErrorCode.NONE, codes), removals)


def _held(table: GroupTable, group_id: str) -> dict[TopicPartition, OffsetCommitted]:
    return {**table.offsets.pending_of(group_id), **table.offsets.of_group(group_id)}


def expire(table: GroupTable, now_ms: int, out: Outcome) -> bool:
    """Write tombstones for expired offsets and groups; False: there are more, for the next turn."""
    for group in table.classic.values():
        if len(out.records) >= table.config.expired_records_max:
            return False
        _expire_classic(table, group, now_ms, out)
    for consumer_group in table.consumers:
        if len(out.records) >= table.config.expired_records_max:
            return False
        _expire_consumer(table, consumer_group, now_ms, out)
    return True


def _expire_classic(table: GroupTable, group: ClassicGroup, now_ms: int, out: Outcome) -> None:
    if table.offsets.pending_of(group.group_id):
        return  # It is in use, by a transaction.
    held = table.offsets.of_group(group.group_id).values()
    expired = [o for o in held if offsets.is_expired(o, group, table.config, now_ms)]
    out.records += [offsets.removal(offset) for offset in expired]
    is_abandoned = group.is_in(GroupState.EMPTY) and not group.pending_ids
    if is_abandoned and group.generation > 0 and len(expired) == len(held):
        out.records.append(GroupRemoved(group.group_id))


def _expire_consumer(table: GroupTable, group: ConsumerGroup, now_ms: int, out: Outcome) -> None:
    """A consumer group without members: each offset counts from its own commit."""
    if group.members or table.offsets.pending_of(group.group_id):
        return
    held = table.offsets.of_group(group.group_id).values()
    limit_ms = now_ms - table.config.offsets_retention_ms
    expired = [offset for offset in held if offset.commit_ms <= limit_ms]
    out.records += [offsets.removal(offset) for offset in expired]
    if len(expired) == len(held):
        out.records += group.removal()
