"""Records of KIP-848 groups in `__consumer_offsets`, in Kafka's formats (kinds 3 to 8 and 16).

Each says what is; `Removed` takes one of them back. A group is what its records say (rule 1 of
consumer_group.py). Kind 4, the topics in full, is what Kafka wrote before 4.1: it is read, never
written, and taken back. Source: Kafka 4.3's ConsumerGroup*Key/Value, KIP-848, KIP-1082, KIP-1101.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any
from uuid import UUID

from data_plane.coordinator import consumer_groups_topic as wire
from data_plane.protocol.schema import DecodeError, decode, encode

INT16 = struct.Struct(">h")
VALUE = INT16.pack(0)  # every value is of layout 0

TopicIdPartition = tuple[UUID, int]
Assignment = frozenset[TopicIdPartition]
NO_PARTITIONS: Assignment = frozenset()
Since = dict[TopicIdPartition, int]


class Kind(IntEnum):
    """The int16 that a key begins with."""

    GROUP = 3
    TOPICS = 4
    MEMBER = 5
    TARGET_EPOCH = 6
    TARGET = 7
    CURRENT = 8
    REGEX = 16


OF_GROUP = (Kind.GROUP, Kind.TOPICS, Kind.TARGET_EPOCH)


class MemberState(IntEnum):
    """Kafka's numbers."""

    STABLE = 0
    UNREVOKED = 1  # asked to give up partitions, and has not said that it did
    UNRELEASED = 2  # waits for partitions that others have not given up yet


@dataclass(frozen=True, slots=True)
class GroupEpoch:
    """The group's epoch; the first of its records."""

    group_id: str
    epoch: int
    topics_hash: int = 0  # of the topics that it consumes: another one makes another epoch


@dataclass(frozen=True, slots=True)
class FormerTopics:
    """Says nothing that is of use any more, but has to be taken back."""

    group_id: str


@dataclass(frozen=True, slots=True)
class Classic:
    """How a member speaks that uses JoinGroup and SyncGroup in a group of this kind."""

    session_timeout_ms: int
    protocols: tuple[tuple[str, bytes], ...]  # name, the member's metadata for it; first the best


@dataclass(frozen=True, slots=True)
class MemberSubscription:
    """Who a member is and what it wants."""

    group_id: str
    member_id: str
    instance_id: str | None  # set: a static member, KIP-345
    rack_id: str | None
    client_id: str
    client_host: str
    topic_names: tuple[str, ...]
    topic_regex: str | None
    rebalance_timeout_ms: int
    assignor: str | None
    classic: Classic | None = None  # None: it speaks by ConsumerGroupHeartbeat

    def wants_as(self, other: "MemberSubscription") -> bool:
        """True if both subscribe to the same."""
        return (self.topic_names, self.topic_regex) == (other.topic_names, other.topic_regex)


@dataclass(frozen=True, slots=True)
class TargetEpoch:
    """The group epoch for which the targets were made; the last record of a new target."""

    group_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Target:
    """What a member shall own in the end."""

    group_id: str
    member_id: str
    partitions: Assignment


@dataclass(frozen=True, slots=True)
class Current:
    """What a member owns, and what it was asked to give up.

    since: the epochs in which partitions came to the member, those of `epoch` itself left out.
    """

    group_id: str
    member_id: str
    epoch: int
    previous_epoch: int
    state: MemberState = MemberState.STABLE
    assigned: Assignment = NO_PARTITIONS
    revoking: Assignment = NO_PARTITIONS
    since: Mapping[TopicIdPartition, int] = field(default_factory=dict)

    def since_of(self, at: TopicIdPartition) -> int:
        """The epoch in which a partition, one of those above, came to the member."""
        return self.since.get(at, self.epoch)

    def since_at(self, epoch: int, partitions: Iterable[TopicIdPartition]) -> Since:
        """What `since` is for some of the partitions once the member is at `epoch`."""
        return {at: self.since_of(at) for at in partitions if self.since_of(at) != epoch}


@dataclass(frozen=True, slots=True)
class RegexTopics:
    """What an expression of the group matches; members share it."""

    group_id: str
    regex: str
    topics: tuple[str, ...]
    version: int
    resolved_ms: int


@dataclass(frozen=True, slots=True)
class Removed:
    """A record of this kind is taken back; name: its member or expression, "" for the group's."""

    kind: Kind
    group_id: str
    name: str = ""


ConsumerGroupRecord = (
    GroupEpoch
    | FormerTopics
    | MemberSubscription
    | TargetEpoch
    | Target
    | Current
    | RegexTopics
    | Removed
)


def encode_record(record: ConsumerGroupRecord) -> tuple[bytes, bytes | None]:
    """Key and value to append; value None is a tombstone."""
    match record:
        case GroupEpoch(group_id, epoch, topics_hash):
            return _of(
                Kind.GROUP, group_id, "", wire.ConsumerGroupMetadataValue(epoch, topics_hash)
            )
        case FormerTopics(group_id):
            return _of(Kind.TOPICS, group_id, "", wire.PartitionMetadataValue())
        case MemberSubscription():
            return _of(Kind.MEMBER, record.group_id, record.member_id, _member_value(record))
        case TargetEpoch(group_id, epoch):
            return _of(Kind.TARGET_EPOCH, group_id, "", wire.TargetMetadataValue(epoch))
        case Target(group_id, member_id, partitions):
            target = wire.TargetMemberValue(_rows(partitions))
            return _of(Kind.TARGET, group_id, member_id, target)
        case Current():
            current = wire.CurrentMemberValue(
                record.epoch,
                record.previous_epoch,
                record.state,
                _owned_rows(record, record.assigned),
                _owned_rows(record, record.revoking),
            )
            return _of(Kind.CURRENT, record.group_id, record.member_id, current)
        case RegexTopics(group_id, regex, names, version, resolved_ms):
            found = wire.RegularExpressionValue(names, version, resolved_ms)
            return _of(Kind.REGEX, group_id, regex, found)
        case Removed(kind, group_id, name):
            return _of(kind, group_id, name, None)


def decode_record(key: bytes, value: bytes | None) -> ConsumerGroupRecord | None:
    """The record of a key and value; None for other kinds of key. Raises DecodeError."""
    (number,) = INT16.unpack_from(key)
    if number not in Kind.__members__.values():
        return None
    kind = Kind(number)
    group_id, name = _key(kind, key)
    if value is None:
        return Removed(kind, group_id, name)
    if value[:2] != VALUE:
        raise DecodeError(f"a group record of kind {kind} is newer than this broker")
    return _decoded(kind, group_id, name, value)


def _decoded(kind: Kind, group_id: str, name: str, value: bytes) -> ConsumerGroupRecord:
    body: Any = decode(VALUES[kind], 0, value, 2)
    match kind:
        case Kind.GROUP:
            return GroupEpoch(group_id, body.epoch, body.metadata_hash)
        case Kind.TOPICS:
            return FormerTopics(group_id)
        case Kind.MEMBER:
            return MemberSubscription(
                group_id,
                name,
                body.instance_id,
                body.rack_id,
                body.client_id,
                body.client_host,
                tuple(body.subscribed_topic_names),
                body.subscribed_topic_regex,
                body.rebalance_timeout_ms,
                body.server_assignor,
                _classic(body.classic_member_metadata),
            )
        case Kind.TARGET_EPOCH:
            return TargetEpoch(group_id, body.assignment_epoch)
        case Kind.TARGET:
            return Target(group_id, name, _assignment(body.topic_partitions))
        case Kind.CURRENT:
            return Current(
                group_id,
                name,
                body.member_epoch,
                body.previous_member_epoch,
                _state(body.state),
                _assignment(body.assigned_partitions),
                _assignment(body.partitions_pending_revocation),
                _since(body),
            )
        case Kind.REGEX:
            return RegexTopics(group_id, name, tuple(body.topics), body.version, body.timestamp)


VALUES: dict[Kind, type[Any]] = {
    Kind.GROUP: wire.ConsumerGroupMetadataValue,
    Kind.TOPICS: wire.PartitionMetadataValue,
    Kind.MEMBER: wire.MemberMetadataValue,
    Kind.TARGET_EPOCH: wire.TargetMetadataValue,
    Kind.TARGET: wire.TargetMemberValue,
    Kind.CURRENT: wire.CurrentMemberValue,
    Kind.REGEX: wire.RegularExpressionValue,
}


def by_topic(partitions: Iterable[TopicIdPartition]) -> dict[UUID, list[int]]:
    """topic id -> its partitions in order; topics by id, so that equal sets give equal bytes."""
    found: dict[UUID, list[int]] = {}
    for topic_id, partition in sorted(partitions):
        found.setdefault(topic_id, []).append(partition)
    return found


def _of(kind: Kind, group_id: str, name: str, value: object | None) -> tuple[bytes, bytes | None]:
    key: object = wire.ConsumerMemberKey(group_id, name)
    if kind in OF_GROUP:
        key = wire.ConsumerGroupKey(group_id)
    elif kind is Kind.REGEX:
        key = wire.RegularExpressionKey(group_id, name)
    head = INT16.pack(kind) + encode(key, kind)
    return head, None if value is None else VALUE + encode(value, 0)


def _key(kind: Kind, key: bytes) -> tuple[str, str]:
    if kind in OF_GROUP:
        return decode(wire.ConsumerGroupKey, kind, key, 2).group_id, ""
    if kind is Kind.REGEX:
        regex = decode(wire.RegularExpressionKey, kind, key, 2)
        return regex.group_id, regex.regular_expression
    member = decode(wire.ConsumerMemberKey, kind, key, 2)
    return member.group_id, member.member_id


def _classic(value: wire.ClassicMemberMetadata | None) -> Classic | None:
    if value is None:
        return None
    rows = value.supported_protocols
    return Classic(value.session_timeout_ms, tuple((row.name, bytes(row.metadata)) for row in rows))


def _classic_value(classic: Classic | None) -> wire.ClassicMemberMetadata | None:
    if classic is None:
        return None
    rows = [wire.ClassicProtocol(name, metadata) for name, metadata in classic.protocols]
    return wire.ClassicMemberMetadata(classic.session_timeout_ms, rows)


def _member_value(record: MemberSubscription) -> wire.MemberMetadataValue:
    return wire.MemberMetadataValue(
        record.instance_id,
        record.rack_id,
        record.client_id,
        record.client_host,
        record.topic_names,
        record.topic_regex,
        record.rebalance_timeout_ms,
        record.assignor,
        _classic_value(record.classic),
    )


def _rows(partitions: Assignment) -> list[wire.TopicPartitions]:
    return [
        wire.TopicPartitions(topic_id, found) for topic_id, found in by_topic(partitions).items()
    ]


def _owned_rows(current: Current, partitions: Assignment) -> list[wire.OwnedPartitions]:
    return [
        wire.OwnedPartitions(topic_id, found, [current.since_of((topic_id, at)) for at in found])
        for topic_id, found in by_topic(partitions).items()
    ]


def _since(body: wire.CurrentMemberValue) -> Since:
    """A row without epochs is from before Kafka 4.3: all of it counts from the member's epoch."""
    since: Since = {}
    for row in (*body.assigned_partitions, *body.partitions_pending_revocation):
        if row.assignment_epochs is None:
            continue
        if len(row.assignment_epochs) != len(row.partitions):
            raise DecodeError("a member's partitions and their epochs are not of one length")
        for partition, epoch in zip(row.partitions, row.assignment_epochs, strict=True):
            if epoch != body.member_epoch:
                since[row.topic_id, partition] = epoch
    return since


def _assignment(rows: Sequence[wire.TopicPartitions | wire.OwnedPartitions]) -> Assignment:
    return frozenset((row.topic_id, partition) for row in rows for partition in row.partitions)


def _state(number: int) -> MemberState:
    try:
        return MemberState(number)
    except ValueError:
        raise DecodeError(f"a member is in a state of number {number}") from None
