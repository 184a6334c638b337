"""Three brokers: copies, watermarks, changes of leader and of ISR."""

import pytest

from data_plane.metadata.records import CommitMode
from data_plane.protocol.errors import ErrorCode
from tests.unit.data_plane.broker.cluster_world import ClusterWorld, outcome
from tests.unit.data_plane.broker.world import batch_of


@pytest.mark.semantics("28d", "12c")
def test_followers_copy_and_the_watermark_moves() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    sent = world.produce(0, batch_of(b"one", b"two"))
    assert not sent.is_answered
    world.settle()
    assert outcome(sent) == ErrorCode.NONE
    assert world.log_bytes(0) == world.log_bytes(1) == world.log_bytes(2) != b""
    assert world.fetch(0).high_watermark == 2


@pytest.mark.semantics("35e")
def test_in_synced_mode_every_member_has_synced_before_the_answer() -> None:
    world = ClusterWorld()
    world.create_topic(mode=CommitMode.SYNCED)
    world.settle()
    world.nodes[2].executor.is_held = True
    sent = world.produce(0, batch_of(b"one"))
    for _ in range(50):
        for broker_id in (0, 1):
            world.nodes[broker_id].turn()
        world.deliver()
    assert world.log_bytes(2) == world.log_bytes(0)  # It holds the record, but not on its disk.
    assert not sent.is_answered
    world.settle()
    assert outcome(sent) == ErrorCode.NONE


@pytest.mark.semantics("73a", "73b", "73d")
def test_a_follower_that_was_away_catches_up() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    world.kill(2)
    sent = world.produce(0, batch_of(b"one"))
    world.settle()
    assert not sent.is_answered  # Broker 2 is in the ISR still.
    world.settle(ms=31_000)
    world.settle()
    assert world.rows[0].isr == (0, 1)
    world.rejoin(2)
    world.settle(ms=2_000)
    world.settle()
    assert set(world.rows[0].isr) == {0, 1, 2}
    assert world.log_bytes(2) == world.log_bytes(0)


@pytest.mark.semantics("36b", "24c")
def test_a_new_leader_goes_on_and_the_old_one_truncates() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    world.produce(0, batch_of(b"kept"))
    world.settle()
    world.cut |= {(0, 1), (1, 0), (0, 2), (2, 0)}
    lost = world.produce(0, batch_of(b"never committed"))
    world.change(leader=1, isr=(1, 2), only=[1, 2])
    world.settle()
    kept = world.produce(1, batch_of(b"of the new leader"))
    world.settle()
    assert outcome(kept) == ErrorCode.NONE
    assert not lost.is_answered
    world.cut.clear()
    world.learn_all(0)
    assert outcome(lost) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    world.settle(ms=2_000)
    world.settle()
    assert world.log_bytes(0) == world.log_bytes(1) == world.log_bytes(2)
    assert b"never committed" not in world.log_bytes(0)
    assert set(world.rows[0].isr) == {0, 1, 2}


@pytest.mark.semantics("12b", "76b")
def test_too_few_in_sync_refuse_acks_all_and_hold_the_watermark() -> None:
    world = ClusterWorld()
    world.create_topic(min_insync_replicas="2")
    world.settle()
    world.change(isr=(0,))
    assert outcome(world.produce(0, batch_of(b"no"))) == ErrorCode.NOT_ENOUGH_REPLICAS
    world.kill(1)
    world.kill(2)
    assert outcome(world.produce(0, batch_of(b"yes"), acks=1)) == ErrorCode.NONE
    world.settle()
    assert world.fetch(0).high_watermark == 0  # Only one node holds it.


@pytest.mark.semantics("44a", "44b", "44c")
def test_offsets_are_not_told_before_the_watermark_has_caught_up() -> None:
    """KIP-207: a new leader may not know yet what its predecessor has told."""
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    world.produce(0, batch_of(b"one"))
    world.settle()
    world.cut = {(1, 0), (2, 0), (1, 2), (2, 1)}
    world.kill(1)
    world.rejoin(1)
    world.change(leader=1, isr=(0, 1, 2))
    assert world.list_offset(1, -1).error_code == ErrorCode.OFFSET_NOT_AVAILABLE
    assert world.list_offset(1, -1, 4).error_code == ErrorCode.LEADER_NOT_AVAILABLE
    assert world.list_offset(1, -2).offset == 0
    world.cut.clear()
    world.settle(ms=2_000)
    world.settle()
    assert world.list_offset(1, -1).offset == 1
