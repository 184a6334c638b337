"""A living group goes over from one protocol to the other, with its members and their partitions.

Up, when the first member that speaks ConsumerGroupHeartbeat comes to a classic group of consumers:
whoever is in it becomes a member of a KIP-848 group that speaks classically, owns what the last
assignment gave it, and has the generation for its epoch. Down, when the last such member is gone:
those that are left become a classic group of the same generation, and gather at once. That record
names no leader, since nobody has led this generation: by that a coordinator that loads it before
they have gathered knows that they own only a part of the partitions.

`group.consumer.migration.policy` says which of the two may be. All of it is in the records.
Source: KIP-848 (Supporting Online Consumer Group Upgrade).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.classic_in_consumer import assignment_of
from data_plane.coordinator.classic_journal import generation_record
from data_plane.coordinator.classic_member import Member
from data_plane.coordinator.consumer_group import ConsumerGroup
from data_plane.coordinator.consumer_group_records import (
    Classic,
    ConsumerGroupRecord,
    Current,
    GroupEpoch,
    MemberSubscription,
    Removed,
    Target,
    TargetEpoch,
    TopicIdPartition,
)
from data_plane.coordinator.consumer_protocol import CONSUMER, read_assignment, read_subscription
from data_plane.coordinator.group_records import GroupRecord, GroupRemoved
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.schema import DecodeError

KAFKAS_ASSIGNORS = ("range", "roundrobin", "sticky", "cooperative-sticky")


class CannotUpgrade(KafkaError):
    """The group stays classic, and to members of the other protocol it is not there."""

    default_code = ErrorCode.GROUP_ID_NOT_FOUND


class Upgrade(NamedTuple):
    """A KIP-848 group as its records will make it."""

    group: ConsumerGroup
    records: list[GroupRecord | ConsumerGroupRecord]


def upgraded(classic: ClassicGroup, image: MetadataImage, now_ms: int) -> Upgrade:
    """What a classic group becomes. Raises CannotUpgrade."""
    config, text = classic.config, f"Group {classic.group_id} stays classic: "
    journal: list[ConsumerGroupRecord] = []
    if not config.migration_policy.allows_upgrade:
        raise CannotUpgrade(text + "group.consumer.migration.policy does not allow an upgrade.")
    if classic.protocol_type != CONSUMER:
        raise CannotUpgrade(text + "its members are no consumers.")
    if len(classic.members) > config.consumer_group_size_max:
        raise CannotUpgrade(text + "it is too large.")
    group = ConsumerGroup(classic.group_id, config)
    try:
        if _has_own_data(classic):
            raise CannotUpgrade(text + "what its own assignor tells its members would be lost.")
        journal += _members_of(classic, image)
    except DecodeError as error:
        raise CannotUpgrade(text + f"a member is unreadable: {error}.") from error
    journal += [GroupEpoch(classic.group_id, classic.generation)]
    journal += [TargetEpoch(classic.group_id, classic.generation)]
    for record in journal:
        group.replay(record)
    group.finish_load(now_ms)
    removal = [GroupRemoved(classic.group_id)] if classic.generation else []
    return Upgrade(group, [*removal, *journal])


def _members_of(classic: ClassicGroup, image: MetadataImage) -> Iterator[ConsumerGroupRecord]:
    """Raises DecodeError."""
    group_id, epoch = classic.group_id, classic.generation
    taken: set[TopicIdPartition] = set()
    for member in classic.members.values():
        wants = read_subscription(member.metadata_for(classic.protocol_name) or _first(member))
        # A leader may have given one partition to two: then the first has it.
        owned = frozenset(_owned(member.assignment, image)) - taken
        taken |= owned
        yield MemberSubscription(
            group_id,
            member.member_id,
            member.instance_id,
            wants.rack_id,
            member.client_id,
            member.client_host,
            tuple(sorted(set(wants.topics))),
            None,
            member.rebalance_timeout_ms,
            None,
            Classic(member.session_timeout_ms, tuple(member.protocols)),
        )
        yield Target(group_id, member.member_id, owned)
        yield Current(group_id, member.member_id, epoch, epoch, assigned=owned)


def _has_own_data(classic: ClassicGroup) -> bool:
    """Kafka's own assignors leave nothing in assignments that members need: librdkafka's copies
    what each member has sent itself. Apache Kafka refuses those, too.
    """
    if classic.protocol_name in KAFKAS_ASSIGNORS:
        return False
    return any(read_assignment(one.assignment).user_data for one in classic.members.values())


def _first(member: Member) -> bytes:
    """No protocol is chosen before the first generation."""
    return member.protocols[0][1]


def _owned(assignment: bytes, image: MetadataImage) -> Iterator[TopicIdPartition]:
    for row in read_assignment(assignment).assigned_partitions:
        topic = image.topic(row.topic)
        for partition in row.partitions if topic is not None else ():
            if topic is not None and 0 <= partition < len(topic.partitions):
                yield topic.topic_id, partition


class Downgrade(NamedTuple):
    """A classic group as its records will make it; soft is that its members gather at once."""

    group: ClassicGroup
    records: list[GroupRecord | ConsumerGroupRecord]


def downgraded(
    group: ConsumerGroup,
    journal: Sequence[ConsumerGroupRecord],
    image: MetadataImage,
    now_ms: int,
) -> Downgrade | None:
    """What is left of a group after `journal` as a classic one; None if it stays what it is.

    Its records come after `journal`. The members keep what they own until they gather.
    """
    gone = {one.name for one in journal if isinstance(one, Removed)}
    if any(one.classic is None for name, one in group.members.items() if name not in gone):
        return None
    rest = group.after(journal)
    members = [_classic_member(one, one.classic) for one in rest.members.values() if one.classic]
    if (
        not members
        or len(members) < len(rest.members)
        or len(members) > group.config.group_size_max
        or not group.config.migration_policy.allows_downgrade
    ):
        return None
    classic = ClassicGroup(group.group_id, group.config)
    for member in members:
        classic.add(member, CONSUMER, now_ms)
        member.is_new = False
        member.touch(now_ms)
    classic.leader_id = None
    classic.generation = group.epoch  # Which those know who had nothing to catch up with.
    classic.protocol_name = name = classic.select_protocol()
    classic.gather_due_ms = now_ms
    assignments = {
        member.member_id: assignment_of(
            rest.current_of(member.member_id), member.metadata_for(name), image
        )
        for member in members
    }
    return Downgrade(classic, [*rest.removal(), generation_record(classic, assignments, now_ms)])


def _classic_member(member: MemberSubscription, classic: Classic) -> Member:
    return Member(
        member_id=member.member_id,
        instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        session_timeout_ms=classic.session_timeout_ms,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        protocols=classic.protocols,
    )
