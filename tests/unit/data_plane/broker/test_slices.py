"""Large changes come in slices: no decision, and no image, holds a loop for long (durability.md 5).

What is counted are rows, since tests measure no time: 250 take about 5 ms.
"""

from collections.abc import Callable
from uuid import UUID

import pytest

from data_plane.broker.log_maker import DELETED_PER_STEP, MADE_PER_STEP
from data_plane.broker.metadata_host import ENTRIES_MAX
from data_plane.metadata.brokers import ROWS_MAX
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import (
    BrokerRegistrationChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from tests.unit.data_plane.broker.members import Member, Members
from tests.unit.data_plane.broker.world import World

PARTITIONS = 3 * ROWS_MAX
SESSION_MS = 6_000


def topic_of(number: int, partitions: int) -> list[object]:
    """Replicas on all three brokers, led by each in turn."""
    topic_id = UUID(int=5_000 + number)
    replicas = [tuple((index + at) % 3 for at in range(3)) for index in range(partitions)]
    rows = [
        PartitionRecord(
            topic_id, index, each, each, leader=each[0], leader_epoch=0, partition_epoch=0
        )
        for index, each in enumerate(replicas)
    ]
    return [TopicRecord(f"topic-{number}", topic_id), *rows]


def rows_of(image: MetadataImage) -> list[PartitionRecord]:
    return [row for _, row in image.partitions()]


class Watched:
    """How many rows differ from one image of a member to the next."""

    def __init__(self, member: Member) -> None:
        self.changes: list[int] = []
        member.host.attach(self._on_image, lambda: None)

    def _on_image(self, before: MetadataImage, after: MetadataImage) -> None:
        known = {id(row) for row in rows_of(before)}
        self.changes.append(sum(id(row) not in known for row in rows_of(after)))


def with_partitions(count: int = PARTITIONS) -> Members:
    members = Members(is_sliced=True)
    members.run(3_000)
    members.write(*topic_of(0, count))
    return members


def follower_of(members: Members) -> Member:
    active = members.active.broker_id
    return members.members[(active + 1) % 3]


def test_a_broker_of_many_partitions_is_fenced_in_slices() -> None:
    """All partitions have it in their ISR; in the end none has, and each has a live leader."""
    members = with_partitions()
    gone = follower_of(members).broker_id
    watched = Watched(members.active)
    members.stop(gone)
    members.run(SESSION_MS + 4_000)
    rows = rows_of(members.active.image)
    assert all(gone not in row.isr and row.leader in row.isr for row in rows)
    assert {len(row.isr) for row in rows} == {2}
    assert sum(watched.changes) == PARTITIONS
    assert max(watched.changes) <= ROWS_MAX
    led_before = sum(row.replicas[0] == gone for row in rows)
    assert sum(row.leader_epoch > 0 for row in rows) >= led_before


def test_a_new_controller_goes_on_where_the_last_one_died_between_two_slices() -> None:
    members = with_partitions()
    gone = follower_of(members)
    known = gone.image.brokers[gone.broker_id]
    members.stop(gone.broker_id)
    fenced = BrokerRegistrationChangeRecord(known.broker_id, known.broker_epoch, True, False)
    members.active.host.decide(lambda _: Decision(None, [fenced]))
    rows = rows_of(members.active.host.controller.image)
    assert all(gone.broker_id in row.isr for row in rows), "fenced, and nothing else yet"
    members.run(4_000)
    assert not any(gone.broker_id in row.isr for row in rows_of(members.active.image))


def test_a_broker_of_many_partitions_hands_over_in_slices() -> None:
    members = with_partitions()
    leaving = follower_of(members)
    watched = Watched(members.active)
    leaving.membership.want_shutdown()
    members.run(8_000)
    assert leaving.membership.may_stop
    rows = rows_of(members.active.image)
    assert not any(leaving.broker_id in (row.leader, *row.isr) for row in rows)
    assert sum(watched.changes) == PARTITIONS
    assert max(watched.changes) <= ROWS_MAX


def test_a_broker_with_what_only_it_holds_stops_at_once() -> None:
    """Partitions of one replica are nobody's to take over, and are not looked at for that."""
    members = Members()
    members.run(3_000)
    leaving = follower_of(members)
    me = leaving.broker_id
    topic, *rows = topic_of(0, 400)
    alone = [
        PartitionRecord(
            row.topic_id, row.partition_index, (me,), (me,), me, leader_epoch=0, partition_epoch=0
        )
        for row in rows
        if isinstance(row, PartitionRecord)
    ]
    members.write(topic, *alone)
    leaving.membership.want_shutdown()
    members.run(4_000)
    assert leaving.membership.may_stop
    assert {row.leader for row in rows_of(members.active.image)} == {-1}


@pytest.mark.parametrize("is_sliced", [False, True])
def test_what_many_decisions_wrote_is_applied_in_slices_where_the_driver_can_come_again(
    is_sliced: bool,
) -> None:
    """Batches stay whole, whatever the number of slices, and every broker ends with the same."""
    members = Members(is_sliced=is_sliced)
    members.run(3_000)
    watched = Watched(follower_of(members))
    size, count = 40, 30

    def choice(number: int) -> Callable[[Controller], Decision[None]]:
        return lambda _: Decision(None, topic_of(number, size))

    for number in range(count):
        members.active.host.decide(choice(number))
    members.run(3_000)
    images = [each.image for each in members.up()]
    assert all(len(rows_of(image)) == size * count for image in images)
    assert {image.offset for image in images} == {images[0].offset}
    assert all(change % size == 0 for change in watched.changes)
    assert (max(watched.changes) <= ENTRIES_MAX) == is_sliced
    assert (members.slices_put_off > 0) == is_sliced


def test_a_batch_longer_than_a_slice_is_applied_whole() -> None:
    members = Members(is_sliced=True)
    members.run(3_000)
    watched = Watched(follower_of(members))
    members.write(*topic_of(0, 2 * ENTRIES_MAX))
    members.run(1_000)
    assert [one for one in watched.changes if one] == [2 * ENTRIES_MAX]


def test_the_logs_of_a_large_topic_are_made_and_deleted_in_slices() -> None:
    """Each tick makes or deletes a few; one that is used before its turn is made for that."""
    world = World()
    count = 3 * MADE_PER_STEP
    replicas = (world.broker.broker_id,)
    topic_id = UUID(int=4_321)
    rows = [
        PartitionRecord(topic_id, at, replicas, replicas, 0, leader_epoch=0, partition_epoch=0)
        for at in range(count)
    ]
    known = world.broker.log_dir.manifest.topics

    def ticks() -> list[int]:
        """How many logs came or went in each."""
        changes = []
        while world.broker.next_due_ms == 0:
            before = len(known)
            world.broker.tick(world.now_ms)
            changes.append(abs(len(known) - before))
        return changes

    world.broker.decide(lambda _: Decision(None, [TopicRecord("large", topic_id), *rows]))
    world.broker.end_turn(world.now_ms)
    assert len(known) == MADE_PER_STEP
    assert world.broker.partition("large", count - 1).log.log_end_offset == 0
    assert max(ticks()) <= MADE_PER_STEP
    assert len(known) == count
    world.broker.decide(lambda _: Decision(None, [RemoveTopicRecord(topic_id)]))
    world.broker.end_turn(world.now_ms)
    assert len(known) == count - DELETED_PER_STEP
    assert max(ticks()) <= DELETED_PER_STEP
    assert not known
    world.settle()
    names = world.files.list_names(world.broker.log_dir.root)
    assert not [name for name in names if str(topic_id) in name or name.endswith(".deleted")]


def test_a_crash_between_two_slices_leaves_no_partition_lost_and_none_behind() -> None:
    world = World()
    count = 3 * MADE_PER_STEP
    topic_ids = [UUID(int=4_321), UUID(int=4_322)]

    def decided(*records: object) -> None:
        world.broker.decide(lambda _: Decision(None, records))
        world.broker.end_turn(world.now_ms)

    for name, topic_id in zip(("gone", "new"), topic_ids, strict=True):
        rows = [
            PartitionRecord(topic_id, at, (0,), (0,), 0, leader_epoch=0, partition_epoch=0)
            for at in range(count)
        ]
        decided(TopicRecord(name, topic_id), *rows)
        if name == "gone":
            world.settle()
            decided(RemoveTopicRecord(topic_id))
    known = world.broker.log_dir.manifest.topics
    assert 0 < sum(key.topic_id == topic_ids[0] for key in known) < count
    assert 0 < sum(key.topic_id == topic_ids[1] for key in known) < count
    world.restart(lambda one: one.files.crash())
    known = world.broker.log_dir.manifest.topics
    assert [key.topic_id for key in known] == [topic_ids[1]] * count
    assert not world.broker.log_dir.quarantined
