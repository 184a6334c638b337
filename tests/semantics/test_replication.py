"""Replication and elections: the clauses that three brokers in one process can show."""

from dataclasses import replace
from typing import Any

import pytest

from data_plane.metadata.brokers import decide_fence
from data_plane.metadata.isr_changes import decide_alter_partition
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestBrokerState,
    AlterPartitionRequestPartition,
    AlterPartitionRequestTopic,
)
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from tests.unit.data_plane.broker.cluster_world import TOPIC, TOPIC_ID, ClusterWorld, outcome
from tests.unit.data_plane.broker.world import batch_of


@pytest.fixture
def world() -> ClusterWorld:
    made = ClusterWorld(min_insync_replicas="2")
    made.create_topic()
    made.settle()
    return made


def wish(world: ClusterWorld, *members: int, **more: Any) -> tuple[int, PartitionRecord | None]:
    """Ask the controller for an ISR, as leader 0; the code, and the partition as it would be."""
    row = world.rows[0]
    epochs = {each: world.image.brokers[each].broker_epoch for each in world.image.brokers}
    states = [
        AlterPartitionRequestBrokerState(each, more.get("broker_epochs", epochs)[each])
        for each in members
    ]
    asked = AlterPartitionRequestPartition(
        0,
        more.get("leader_epoch", row.leader_epoch),
        new_isr_with_epochs=states,
        partition_epoch=more.get("partition_epoch", row.partition_epoch),
    )
    request = AlterPartitionRequest(0, epochs[0], [AlterPartitionRequestTopic(TOPIC_ID, [asked])])
    decision = decide_alter_partition(world.scope, request)
    code = decision.response.topics[0].partitions[0].error_code
    changed = [one for one in decision.records if isinstance(one, PartitionRecord)]
    return code, changed[0] if changed else None


@pytest.mark.semantics("12d")
@pytest.mark.parametrize("batches", [1, 3], ids=["by the handler", "by the quick way"])
def test_a_record_that_lost_its_replicas_after_the_append(
    world: ClusterWorld, batches: int
) -> None:
    """20 and not 19: it is in the log, and a producer must expect it there."""
    for _ in range(batches - 1):
        assert outcome(settled(world, world.produce(0, batch_of(b"before")))) == ErrorCode.NONE
    world.kill(1)
    world.kill(2)
    sent = world.produce(0, batch_of(b"written"))
    world.settle()
    assert not sent.is_answered
    world.tell(decide_fence(world.scope, {1, 2}).records)
    assert list(world.rows[0].isr) == [0]
    world.settle(ms=5_000)
    assert outcome(sent) == ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
    assert b"written" in world.log_bytes(0)
    assert outcome(world.produce(0, batch_of(b"refused"))) == ErrorCode.NOT_ENOUGH_REPLICAS
    assert b"refused" not in world.log_bytes(0)


def settled(world: ClusterWorld, sent: Any) -> Any:
    world.settle()
    return sent


@pytest.mark.semantics("27g", "24c")
def test_a_change_of_the_leader_wakes_who_waits(world: ClusterWorld) -> None:
    row = FetchRequestPartition(0, fetch_offset=0)
    request = FetchRequest(
        max_wait_ms=60_000, min_bytes=1, topics=[FetchRequestTopic(TOPIC, TOPIC_ID, [row])]
    )
    waiting = world.ask(0, request, 12)
    assert not waiting.is_answered
    world.change(leader=1)
    world.nodes[0].turn()
    (answer,) = waiting.response().responses[0].partitions
    assert answer.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert outcome(world.produce(0, batch_of(b"x"))) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert world.list_offset(0, -1).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


@pytest.mark.semantics("28d", "35b", "36a")
def test_a_follower_learns_the_watermark_one_fetch_later(world: ClusterWorld) -> None:
    """At each step it is no further than the leader's and than the follower's own log."""
    leader = world.nodes[0].up.partition(TOPIC, 0)
    followers = [world.nodes[each].up.followers[TOPIC, 0] for each in (1, 2)]
    sent = world.produce(0, batch_of(b"one", b"two"))
    was_behind = False
    for _ in range(200):
        for node in world.nodes:
            node.executor.run()
            node.turn()
        for each in followers:
            assert each.high_watermark <= min(leader.high_watermark, each.log.log_end_offset)
        was_behind |= leader.high_watermark == 2 and all(
            each.log.log_end_offset == 2 and each.high_watermark == 0 for each in followers
        )
        if not world.deliver():
            break
    world.settle()
    assert outcome(sent) == ErrorCode.NONE
    assert was_behind, "they had the records before they knew that these are committed"
    world.settle(ms=2_000)  # The fetches that were parked meanwhile come back.
    world.settle()
    assert [each.high_watermark for each in followers] == [2, 2]


@pytest.mark.semantics("73c", "78b")
def test_only_the_first_of_two_changes_from_one_state_counts(world: ClusterWorld) -> None:
    before = world.rows[0]
    code, after = wish(world, 0, 1)
    assert code == ErrorCode.NONE
    assert after is not None
    assert after.isr == (0, 1)
    assert (after.partition_epoch, after.leader_epoch) == (
        before.partition_epoch + 1,
        before.leader_epoch,
    )
    world.tell([after])
    code, late = wish(world, 0, 2, partition_epoch=before.partition_epoch)
    assert (code, late) == (ErrorCode.INVALID_UPDATE_VERSION, None)
    world.change(leader=0)  # the same one, elected anew
    code, late = wish(world, 0, 1, 2, leader_epoch=before.leader_epoch)
    assert (code, late) == (ErrorCode.FENCED_LEADER_EPOCH, None)


@pytest.mark.semantics("74a", "74b")
def test_who_may_not_be_in_sync(world: ClusterWorld) -> None:
    """One that is fenced, and one whose process is another by now (KIP-841, KIP-903)."""
    epochs = {each: broker.broker_epoch for each, broker in world.image.brokers.items()}
    stale = {**epochs, 2: epochs[2] - 1}
    assert wish(world, 0, 1, 2, broker_epochs=stale) == (ErrorCode.INELIGIBLE_REPLICA, None)
    world.tell(decide_fence(world.scope, {2}).records)
    assert 2 not in world.rows[0].isr
    assert wish(world, 0, 1, 2) == (ErrorCode.INELIGIBLE_REPLICA, None)
    world.unfence(2)
    world.tell([])
    assert wish(world, 0, 1, 2)[0] == ErrorCode.NONE


def fenced(world: ClusterWorld, *broker_ids: int) -> PartitionRecord:
    world.tell(decide_fence(world.scope, set(broker_ids)).records)
    return world.rows[0]


@pytest.mark.semantics("75a", "78a", "78b")
def test_the_next_leader_is_the_first_replica_in_sync(world: ClusterWorld) -> None:
    before = world.rows[0]
    assert before.replicas == (0, 1, 2)
    after = fenced(world, 0)
    assert (after.leader, after.isr) == (1, (1, 2))
    assert after.leader_epoch == before.leader_epoch + 1
    assert after.partition_epoch > before.partition_epoch
    world.unfence(0)
    world.change(isr=(0, 1, 2))
    world.change(isr=(0, 2), leader=2)
    assert fenced(world, 2).leader == 0, "the preferred one, since it is in sync"


@pytest.mark.semantics("75b", "75c")
@pytest.mark.parametrize("is_unclean", [False, True])
def test_nobody_in_sync_is_there(is_unclean: bool) -> None:
    """The partition waits, unless its topic would rather lose records than wait (KIP-704)."""
    world = ClusterWorld()
    world.create_topic(
        min_insync_replicas="1",
        ack_durability="replicated",
        unclean_leader_election_enable=str(is_unclean).lower(),
    )
    world.settle()
    row = replace(world.rows[0], isr=(0,), commit_mode=2)
    world.tell([row])
    after = fenced(world, 0)
    if is_unclean:
        assert (after.leader, after.isr, after.is_recovering) == (1, (1,), True)
        assert after.leader_epoch == row.leader_epoch + 1
    else:
        assert (after.leader, after.is_recovering) == (-1, False)


@pytest.mark.semantics("76a")
def test_who_left_when_too_few_stayed_may_still_lead(world: ClusterWorld) -> None:
    """KIP-966: below min.insync.replicas nothing is committed that they do not have."""
    assert fenced(world, 2).elr == (), "two are enough"
    alone = fenced(world, 1)
    assert (alone.isr, alone.elr) == ((0,), (1,))
    waiting = fenced(world, 0)
    assert (waiting.leader, set(waiting.elr)) == (-1, {0, 1})
    world.unfence(1)
    world.tell([])
    after = world.rows[0]
    assert (after.leader, after.isr, after.is_recovering) == (1, (1,), False)


@pytest.mark.semantics("77b")
def test_after_a_power_loss_nobody_trusts_the_log_end(world: ClusterWorld) -> None:
    """It may have lost what it had acknowledged to its leader, so it is neither in sync nor
    eligible; a process that only crashed lost nothing."""
    world.kill(1, power=True)
    world.restart(1)
    world.tell([])
    assert world.rows[0].isr == (0, 2)
    assert world.rows[0].elr == ()
    fenced(world, 2)
    world.kill(2, power=True)
    world.restart(2)
    world.tell([])
    assert list(world.rows[0].isr) == [0]
    assert not world.rows[0].elr, "not even as the last but one"


@pytest.mark.semantics("35d")
def test_the_watermark_waits_for_a_member_that_is_about_to_come(world: ClusterWorld) -> None:
    """The controller may have taken it in already, and may let it lead the next moment."""
    world.kill(2)
    missed = world.produce(0, batch_of(b"missed"), timeout_ms=60_000)
    world.settle()
    world.settle(ms=31_000)
    world.settle()
    assert outcome(missed) == ErrorCode.NONE
    assert world.rows[0].isr == (0, 1)
    world.restart(2)
    world.unfence(2)
    world.tell([])
    world.is_controller_up = False
    world.settle(ms=1_000)
    world.settle()
    assert world.log_bytes(2) == world.log_bytes(0)
    world.cut = {(2, 0), (0, 2)}
    sent = world.produce(0, batch_of(b"not on all"), timeout_ms=60_000)
    world.settle(ms=1_000)
    world.settle()
    assert world.log_bytes(1) == world.log_bytes(0) != world.log_bytes(2)
    assert not sent.is_answered
    world.cut.clear()
    world.is_controller_up = True
    world.settle(ms=2_000)
    world.settle()
    assert outcome(sent) == ErrorCode.NONE
    assert set(world.rows[0].isr) == {0, 1, 2}
