"""AlterPartitionReassignments: replicas come, catch up, take over, and others go (KIP-455)."""

import dataclasses
from collections.abc import Sequence

import pytest

from data_plane.metadata.brokers import decide_fence
from data_plane.metadata.commit_rules import Judges
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.leadership import with_isr
from data_plane.metadata.reassignments import decide_alter_reassignments, decide_raise_replicas
from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequestPartition,
    AlterPartitionReassignmentsRequestTopic,
)
from tests.unit.data_plane.metadata.worlds import (
    after,
    broker,
    cluster,
    scope_of,
    topic,
    with_topics,
)

BROKERS = cluster(*(broker(each) for each in (1, 2, 3, 4, 5, 6)))
IMAGE = with_topics(BROKERS, topic("flights", 1, 2))
REPLICAS = tuple(IMAGE.topics["flights"].partitions[0].replicas)
ABSENT = tuple(each for each in (1, 2, 3, 4, 5, 6) if each not in REPLICAS)


def asked(
    replicas: Sequence[int] | None, index: int = 0, name: str = "flights"
) -> AlterPartitionReassignmentsRequestTopic:
    partition = AlterPartitionReassignmentsRequestPartition(index, replicas)
    return AlterPartitionReassignmentsRequestTopic(name, [partition])


def row_of(image: MetadataImage) -> PartitionRecord:
    return image.topics["flights"].partitions[0]


def code_of(
    image: MetadataImage, replicas: Sequence[int] | None, **options: bool
) -> tuple[int, MetadataImage]:
    decision = decide_alter_reassignments(scope_of(image), [asked(replicas)], **options)
    return decision.response[0].partitions[0].error_code, after(image, decision)


def moving(image: MetadataImage, replicas: Sequence[int] | None) -> MetadataImage:
    code, moved = code_of(image, replicas)
    assert code == ErrorCode.NONE
    return moved


def in_sync(image: MetadataImage, *isr: int) -> MetadataImage:
    """What the leader's AlterPartition does."""
    judge = Judges(scope_of(image)).of("flights")
    return after(image, Decision(None, [with_isr(row_of(image), isr, judge)]))


def spread() -> MetadataImage:
    """The partition has three replicas on three machines."""
    image = with_topics(BROKERS, topic("flights", 1, 3, min_insync_replicas="2"))
    row = dataclasses.replace(row_of(image), replicas=(1, 2, 3), isr=(1, 2, 3), leader=1)
    return after(image, Decision(None, [row]))


@pytest.mark.semantics("79d")
@pytest.mark.parametrize(
    ("request_topic", "code"),
    [
        (asked(None), ErrorCode.NO_REASSIGNMENT_IN_PROGRESS),
        (asked([]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (asked([REPLICAS[0]] * 2), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (asked([9]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (asked(REPLICAS, index=5), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (asked(REPLICAS, name="nothing"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (asked(REPLICAS), 0),
    ],
)
def test_what_moves_nothing(
    request_topic: AlterPartitionReassignmentsRequestTopic, code: int
) -> None:
    decision = decide_alter_reassignments(scope_of(IMAGE), [request_topic])
    assert [row.error_code for row in decision.response[0].partitions] == [code]
    assert not decision.records


def test_a_new_order_is_taken_at_once() -> None:
    before, now = row_of(IMAGE), row_of(moving(IMAGE, REPLICAS[::-1]))
    assert tuple(now.replicas) == REPLICAS[::-1]
    assert (now.leader, now.leader_epoch) == (before.leader, before.leader_epoch)
    assert now.partition_epoch == before.partition_epoch + 1


@pytest.mark.semantics("79b")
def test_replicas_come_and_go_once_all_of_the_target_is_in_sync() -> None:
    before = row_of(IMAGE)
    image = moving(IMAGE, ABSENT[:2])
    row = row_of(image)
    assert tuple(row.replicas) == (*ABSENT[:2], *REPLICAS)
    assert tuple(row.adding_replicas) == ABSENT[:2]
    assert tuple(row.removing_replicas) == REPLICAS
    assert (tuple(row.isr), row.leader) == (tuple(before.isr), before.leader)
    image = in_sync(image, *REPLICAS, ABSENT[0])
    assert row_of(image).is_moving, "one of two has caught up"
    image = in_sync(image, *REPLICAS, *ABSENT[:2])
    row = row_of(image)
    assert not row.is_moving
    assert (tuple(row.replicas), set(row.isr)) == (ABSENT[:2], set(ABSENT[:2]))
    assert (row.leader, row.leader_epoch) == (ABSENT[0], before.leader_epoch + 1)


@pytest.mark.semantics("79c")
def test_a_move_is_cancelled_to_where_it_began() -> None:
    image = in_sync(moving(IMAGE, ABSENT[:2]), *REPLICAS, ABSENT[0])
    row = row_of(moving(image, None))
    assert not row.is_moving
    assert tuple(row.replicas) == REPLICAS
    assert set(row.isr) == set(REPLICAS)
    assert code_of(moving(image, None), None)[0] == ErrorCode.NO_REASSIGNMENT_IN_PROGRESS


def test_a_move_that_only_the_new_replicas_could_lead_is_not_cancelled() -> None:
    image = in_sync(moving(IMAGE, ABSENT[:2]), *REPLICAS, ABSENT[0])
    image = after(image, decide_fence(scope_of(image), REPLICAS))
    assert row_of(image).leader == ABSENT[0]
    assert code_of(image, None)[0] == ErrorCode.INVALID_REPLICA_ASSIGNMENT


def test_a_second_target_replaces_the_first() -> None:
    image = moving(moving(IMAGE, ABSENT[:2]), ABSENT[2:4])
    row = row_of(image)
    assert tuple(row.replicas) == (*ABSENT[2:4], *REPLICAS)
    assert tuple(row.adding_replicas) == ABSENT[2:4]
    assert tuple(row.removing_replicas) == REPLICAS


def test_fewer_replicas_are_taken_at_once_where_they_are_in_sync() -> None:
    row = row_of(moving(IMAGE, REPLICAS[1:]))
    assert (tuple(row.replicas), tuple(row.isr), row.leader) == (
        REPLICAS[1:],
        REPLICAS[1:],
        REPLICAS[1],
    )


def test_the_count_may_be_held_fast() -> None:
    code, image = code_of(IMAGE, [*REPLICAS, ABSENT[0]], may_change_count=False)
    assert code == ErrorCode.INVALID_REPLICATION_FACTOR
    assert image.topics is IMAGE.topics


def test_more_replicas_on_more_machines_make_the_partition_spread() -> None:
    alone = with_topics(BROKERS, topic("flights", 1, 1, min_insync_replicas="2"))
    first = row_of(alone).leader
    others = [each for each in (1, 2, 3, 4, 5, 6) if each != first][:2]
    image = moving(alone, [first, *others])
    assert row_of(image).commit_mode == CommitMode.SYNCED
    image = in_sync(image, first, others[0])
    assert row_of(image).commit_mode == CommitMode.SPREAD
    assert row_of(image).is_moving
    assert not row_of(in_sync(image, first, *others)).is_moving


def test_a_spread_partition_leaves_for_one_machine_only_after_its_barrier() -> None:
    """All that is committed must be on the disk there first; only the leader knows when."""
    image = spread()
    moved = row_of(moving(image, [1]))
    assert moved.is_moving, "it would be one machine's memory at once"
    judge = Judges(scope_of(image)).of("flights")
    done = with_isr(moved, (1, 2, 3), judge, mode=CommitMode.SYNCED)
    assert (tuple(done.replicas), done.is_moving) == ((1,), False)


def test_a_cancelled_move_leaves_no_spread_partition_on_one_machine() -> None:
    image = in_sync(moving(spread(), [4, 5, 6]), 1, 2, 3, 4)
    image = after(image, decide_fence(scope_of(image), {2, 3}))
    assert set(row_of(image).isr) == {1, 4}
    assert code_of(image, None)[0] == ErrorCode.INVALID_REPLICA_ASSIGNMENT


def test_raised_replicas_share_the_leadership() -> None:
    image = with_topics(cluster(broker(1)), topic("flights", 6, 1))
    image = after(image, Decision(None, [broker(2), broker(3)]))
    decision = decide_raise_replicas(scope_of(image), image.topics["flights"], 3)
    rows = after(image, decision).topics["flights"].partitions
    assert all(row.leader == 1 and row.is_moving for row in rows)
    preferred = [row.replicas[0] for row in rows]
    assert sorted(preferred) == [1, 1, 2, 2, 3, 3]


def test_raised_replicas_prefer_other_racks_then_other_machines() -> None:
    brokers = cluster(
        broker(1, "a", node_id="a1"),
        broker(2, "a", node_id="a1"),
        broker(3, "a", node_id="a2"),
        broker(4, "b", node_id="b1"),
    )
    image = with_topics(brokers, topic("flights", 1, 1))
    row = dataclasses.replace(row_of(image), replicas=(1,), isr=(1,), leader=1)
    image = after(image, Decision(None, [row]))
    decision = decide_raise_replicas(scope_of(image), image.topics["flights"], 3)
    raised = row_of(after(image, decision))
    assert tuple(raised.replicas) == (1, 4, 3), "it is partition 0, the first in turn"
    assert tuple(raised.adding_replicas) == (4, 3)


def test_a_replica_that_goes_is_none_until_it_has_heard_of_it_though_the_leader_stays() -> None:
    """It may not have heard that it went, and deletes its log once it does: what it fetches until
    then, in the epoch that it knows, must not bring it into the ISR again.
    """
    image = moving(spread(), (1, 2, 4))
    assert row_of(image).leader_epoch == row_of(spread()).leader_epoch
    gone = in_sync(image, 1, 2, 3, 4)
    assert (row_of(gone).replicas, row_of(gone).leader) == ((1, 2, 4), 1)
    assert row_of(gone).leader_epoch == row_of(image).leader_epoch + 1
    back = moving(gone, (1, 2, 3))
    assert row_of(back).leader_epoch == row_of(gone).leader_epoch


def test_a_replica_that_was_only_coming_is_none_after_another_wish_or_none() -> None:
    image = moving(spread(), (1, 2, 4))
    for wish in ((1, 2, 5), None):
        other = moving(image, wish)
        assert 4 not in row_of(other).replicas
        assert row_of(other).leader_epoch == row_of(image).leader_epoch + 1
