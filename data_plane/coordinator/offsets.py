"""Committed offsets of the groups of one shard: who may commit, what is kept, when it expires.

Kept until the group has been Empty for the retention time (KIP-211); offsets of simple consumers,
whose group never had members, count from their own commit. A commit of the old protocol may carry
its own expiry. Nothing expires while a group has members.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_plane.coordinator import classic_sync
from data_plane.coordinator.classic_group import ClassicGroup, GroupState
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_records import OffsetCommitted, OffsetRemoved
from data_plane.coordinator.offsets_topic import ConsumerProtocolSubscription
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.schema import DecodeError, decode

TopicPartition = tuple[str, int]
NOTHING: Mapping[TopicPartition, OffsetCommitted] = {}
CONSUMER = "consumer"  # the protocol type of Kafka's own consumers


class Offsets:
    """group id -> (topic, partition) -> the record last replayed."""

    def __init__(self) -> None:
        self._by_group: dict[str, dict[TopicPartition, OffsetCommitted]] = {}

    def replay(self, record: OffsetCommitted | OffsetRemoved) -> None:
        at = (record.topic, record.partition)
        if isinstance(record, OffsetCommitted):
            self._by_group.setdefault(record.group_id, {})[at] = record
            return
        of_group = self._by_group.get(record.group_id)
        if of_group is not None:
            of_group.pop(at, None)
            if not of_group:
                del self._by_group[record.group_id]

    def of_group(self, group_id: str) -> Mapping[TopicPartition, OffsetCommitted]:
        return self._by_group.get(group_id, NOTHING)

    def of_topic(self, topic: str) -> Iterator[OffsetCommitted]:
        """Every group's offsets of one topic, to be removed with it."""
        for of_group in self._by_group.values():
            yield from (record for (name, _), record in of_group.items() if name == topic)


@dataclass(frozen=True, slots=True)
class OffsetsCommit:
    """One OffsetCommit: who commits, and the records to be written if it may."""

    group_id: str
    member_id: str
    instance_id: str | None
    generation: int  # -1: not as a member
    api_version: int
    offsets: Sequence[OffsetCommitted]


def check_commit(group: ClassicGroup | None, commit: OffsetsCommit, now_ms: int) -> ErrorCode:
    """May the caller commit to this group? A group nobody knows is made by its first commit."""
    if group is not None:
        return classic_sync.check_commit(
            group, commit.member_id, commit.instance_id, commit.generation, now_ms
        )
    if commit.generation < 0:
        return ErrorCode.NONE
    # Clients older than v9 do not know the more exact code.
    return ErrorCode.GROUP_ID_NOT_FOUND if commit.api_version >= 9 else ErrorCode.ILLEGAL_GENERATION


def check_offset(offset: OffsetCommitted, metadata_chars_max: int) -> ErrorCode:
    if len(offset.metadata) > metadata_chars_max:
        return ErrorCode.OFFSET_METADATA_TOO_LARGE
    return ErrorCode.NONE


def check_delete(group: ClassicGroup | None) -> ErrorCode:
    """May offsets of this group be deleted? Of a living group only if its topics can be read."""
    if group is None:
        return ErrorCode.GROUP_ID_NOT_FOUND
    if group.is_in(GroupState.EMPTY) or group.protocol_type == CONSUMER:
        return ErrorCode.NONE
    return ErrorCode.NON_EMPTY_GROUP


def consumed_topics(group: ClassicGroup) -> set[str] | None:
    """Topics that members subscribe to, by the consumer protocol; None if a member is unreadable.

    The only place that looks into a member's metadata: elsewhere it stays opaque.
    """
    topics: set[str] = set()
    for member in group.members.values():
        for _, metadata in member.protocols[:1]:
            try:
                topics.update(decode(ConsumerProtocolSubscription, 0, metadata, 2).topics)
            except DecodeError:
                return None
    return topics


def removal(record: OffsetCommitted) -> OffsetRemoved:
    return OffsetRemoved(record.group_id, record.topic, record.partition)


def is_expired(
    record: OffsetCommitted, group: ClassicGroup, config: GroupConfig, now_ms: int
) -> bool:
    """May this offset go? Only in a group without members; see the head of this file."""
    if not group.is_in(GroupState.EMPTY) or group.pending_ids:
        return False
    if record.expire_ms >= 0:
        return record.expire_ms <= now_ms
    counted_from_ms = record.commit_ms
    if group.protocol_type is not None and group.since_ms >= 0:
        counted_from_ms = group.since_ms
    return counted_from_ms + config.offsets_retention_ms <= now_ms
