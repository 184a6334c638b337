"""Committed offsets of the groups of one shard: who may commit, what is kept, when it expires.

Kept until the group has been Empty for the retention time (KIP-211); offsets of simple consumers,
whose group never had members, count from their own commit. A commit of the old protocol may carry
its own expiry. Nothing expires while a group has members.

Offsets committed within a transaction are pending: nobody sees them before the commit marker. Then
each takes effect unless something newer, by its place in the log, was committed or forgotten
meanwhile (kafka-protocol.md 70).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_plane.coordinator import classic_sync
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.classic_member import GroupState
from data_plane.coordinator.consumer_protocol import CONSUMER, read_topics
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_records import OffsetCommitted, OffsetRemoved
from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.schema import DecodeError

TopicPartition = tuple[str, int]
Owner = tuple[str, str, int]  # group id, topic, partition
Placed = tuple[int, OffsetCommitted]
NOTHING: Mapping[TopicPartition, OffsetCommitted] = {}


class Offsets:
    """group id -> (topic, partition) -> the record last replayed; and what is pending."""

    def __init__(self) -> None:
        self._by_group: dict[str, dict[TopicPartition, OffsetCommitted]] = {}
        self._pending: dict[int, dict[Owner, Placed]] = {}  # by producer id
        self._places: dict[Owner, int] = {}  # of what counts; only kept while anything is pending
        self._place = 0  # of the record last replayed, counted up as the log grows

    def replay(self, record: OffsetCommitted | OffsetRemoved) -> None:
        self._place += 1
        owner = owner_of(record)
        if isinstance(record, OffsetCommitted):
            self._put(record, self._place)
            return
        for of_producer in self._pending.values():
            of_producer.pop(owner, None)
        of_group = self._by_group.get(record.group_id)
        if of_group is not None:
            of_group.pop(owner[1:], None)
            if not of_group:
                del self._by_group[record.group_id]

    def replay_pending(self, producer_id: int, record: OffsetCommitted) -> None:
        """A commit within a transaction; the last one of a transaction counts."""
        self._place += 1
        of_producer = self._pending.setdefault(producer_id, {})
        of_producer[owner_of(record)] = (self._place, record)

    def end_transaction(self, producer_id: int, *, is_commit: bool) -> set[str]:
        """A marker has come; return the groups that had pending offsets of the producer."""
        ended = self._pending.pop(producer_id, {})
        if is_commit:
            for owner, (place, record) in ended.items():
                if place > self._places.get(owner, 0):
                    self._put(record, place)
        if not self._pending:
            self._places.clear()
        return {group_id for group_id, _, _ in ended}

    def _put(self, record: OffsetCommitted, place: int) -> None:
        owner = owner_of(record)
        if self._pending:
            self._places[owner] = place
        self._by_group.setdefault(record.group_id, {})[owner[1:]] = record

    def of_group(self, group_id: str) -> Mapping[TopicPartition, OffsetCommitted]:
        return self._by_group.get(group_id, NOTHING)

    def pending_of(self, group_id: str) -> dict[TopicPartition, OffsetCommitted]:
        """What open transactions would commit for a group, the newest of each partition."""
        placed = sorted(
            placed
            for of_producer in self._pending.values()
            for (owner, _, _), placed in of_producer.items()
            if owner == group_id
        )
        return {owner_of(record)[1:]: record for _, record in placed}

    def of_topic(self, topic: str) -> Iterator[OffsetCommitted]:
        """Every group's offsets of one topic, to be removed with it; pending ones too."""
        for of_group in self._by_group.values():
            yield from (record for (name, _), record in of_group.items() if name == topic)
        for of_producer in self._pending.values():
            yield from (record for _, record in of_producer.values() if record.topic == topic)


def owner_of(record: OffsetCommitted | OffsetRemoved) -> Owner:
    return record.group_id, record.topic, record.partition


@dataclass(frozen=True, slots=True)
class OffsetsCommit:
    """One OffsetCommit: who commits, and the records to be written if it may."""

    group_id: str
    member_id: str
    instance_id: str | None
    generation: int  # -1: not as a member
    api_version: int
    offsets: Sequence[OffsetCommitted]
    producer: ProducerIdAndEpoch | None = None  # in whose transaction


def check_commit(group: ClassicGroup | None, commit: OffsetsCommit, now_ms: int) -> ErrorCode:
    """May the caller commit to this group? A group nobody knows is made by its first commit."""
    is_transactional = commit.producer is not None
    if group is not None:
        return classic_sync.check_commit(
            group,
            commit.member_id,
            commit.instance_id,
            commit.generation,
            now_ms,
            is_transactional=is_transactional,
        )
    if commit.generation < 0:
        return ErrorCode.NONE
    if is_transactional:
        return ErrorCode.ILLEGAL_GENERATION
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
    """Topics that members subscribe to, by the consumer protocol; None if one is unreadable."""
    topics: set[str] = set()
    for member in group.members.values():
        for _, metadata in member.protocols[:1]:
            try:
                topics.update(read_topics(metadata))
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
