"""Three brokers: copies, watermarks, changes of leader and of ISR."""

import errno
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePath
from uuid import UUID

import pytest

from data_plane.broker.awaited_fetches import AWAITED_MS_MAX, PARKED_MS_MAX
from data_plane.broker.leader_hints import LeaderHints
from data_plane.log.failures import LogFailure
from data_plane.metadata.image import TOPIC_RESOURCE
from data_plane.metadata.records import (
    CommitMode,
    ConfigRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestReplicaState,
    FetchRequestTopic,
)
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from tests.unit.data_plane.broker.cluster_world import TOPIC, TOPIC_ID, ClusterWorld, outcome
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


def test_a_backlog_comes_in_small_rounds() -> None:
    """What is written meanwhile to other partitions of the session waits for one of them."""
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    world.kill(2)
    world.produce(0, batch_of(b"one"))
    world.settle()
    world.settle(ms=31_000)
    world.settle()
    assert world.rows[0].isr == (0, 1)
    for _ in range(20):
        world.produce(0, batch_of(bytes(100_000)))
        world.settle()
    world.rejoin(2)
    log = world.nodes[2].up.followers[TOPIC, 0].log
    ends = []
    for _ in range(100):
        world.now_ms += 1
        world.deliver()
        for node in world.nodes:
            node.executor.run()
            node.turn()
        ends.append(log.log_end_offset)
    assert ends[-1] == 21
    assert max(late - early for early, late in pairwise(ends)) <= 5  # of 100 KB each


def test_much_that_is_not_synced_is_not_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever shares the disk would wait for a second's worth of it at once."""
    monkeypatch.setattr("data_plane.broker.broker.UNSYNCED_BYTES_MAX", 100_000)
    world = ClusterWorld()
    world.create_topic(min_insync_replicas="2")
    world.settle()
    logs = [world.nodes[0].up.partition(TOPIC, 0).log, world.nodes[1].up.followers[TOPIC, 0].log]
    world.produce(0, batch_of(b"small"))
    world.settle()
    assert all(log.is_dirty for log in logs), "flush.ms is not over"
    world.produce(0, batch_of(bytes(100_000)))
    world.settle()
    assert not any(log.is_dirty for log in logs)


@pytest.mark.parametrize("mode", [CommitMode.SPREAD, CommitMode.SYNCED])
def test_nobody_waits_for_a_leader_that_lost_its_power_and_is_back(mode: CommitMode) -> None:
    """Nothing closed the connections, so the fetches of before would be waited for, for 10 s."""
    world = ClusterWorld()
    world.create_topic(mode=mode, min_insync_replicas="2")
    world.settle(ms=100)
    assert world.under_way[0]
    world.kill(0, power=True)
    world.rejoin(0)
    world.settle(ms=2_000)
    world.settle(ms=2_000)
    world.change(leader=0, isr=(0, 1, 2))
    sent = world.produce(0, batch_of(b"one"))
    world.settle(ms=100)
    assert outcome(sent) == ErrorCode.NONE
    assert world.log_bytes(1) == world.log_bytes(2) == world.log_bytes(0) != b""


def test_what_a_broker_is_asked_goes_on_while_it_is_only_fenced() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle(ms=100)
    asked = {source for source, _ in world.under_way[0]}
    world.fence(0)
    world.unfence(0)
    world.tell([])
    assert {source for source, _ in world.under_way[0]} == asked == {1, 2}


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


@pytest.mark.parametrize("mode", [CommitMode.SPREAD, CommitMode.SYNCED])
def test_a_new_leader_waits_for_no_fetch_that_is_parked_on_other_partitions(
    mode: CommitMode,
) -> None:
    """Time stands still here, so what is parked for half a second is parked for ever."""
    world = ClusterWorld()
    world.create_topic(partitions=2, mode=mode)
    world.settle(ms=100)
    world.settle(ms=100)  # The followers of partition 1 are parked at broker 1, which is idle.
    world.change(0, leader=1)
    world.settle()
    sent = world.produce(1, batch_of(b"one"))
    world.settle()
    assert outcome(sent) == ErrorCode.NONE


def test_a_follower_that_hears_of_its_new_leader_late_is_parked_for_a_moment_only() -> None:
    world = ClusterWorld()
    world.create_topic(partitions=2)
    world.settle(ms=100)
    world.settle(ms=100)
    world.change(0, leader=1, only=[0, 1])
    sent = world.produce(1, batch_of(b"one"))
    world.settle()
    world.learn_all(2)
    world.settle(ms=PARKED_MS_MAX)
    world.settle()
    assert outcome(sent) == ErrorCode.NONE
    awaited = world.nodes[1].up.awaited
    assert not any(awaited.waits_for(each, world.now_ms) for each in (0, 2))


def test_a_follower_that_does_not_come_is_not_awaited_for_ever() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle(ms=100)
    world.cut = {(2, 1), (1, 2)}
    world.change(0, leader=1)
    world.settle()
    awaited = world.nodes[1].up.awaited
    assert awaited.waits_for(2, world.now_ms)
    assert not awaited.waits_for(2, world.now_ms + AWAITED_MS_MAX)


@pytest.mark.parametrize("version", [9, 12])
def test_a_produce_in_flight_is_told_who_leads_now_and_where(version: int) -> None:
    """KIP-951, on the plain way and on the quick one, which the second produce takes."""
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    for _ in range(2):
        row = ProduceRequestPartition(0, batch_of(b"kept"))
        topic = ProduceRequestTopic(TOPIC, TOPIC_ID, partition_data=[row])
        request = ProduceRequest(acks=-1, timeout_ms=5_000, topic_data=[topic])
        sent = world.ask(0, request, version)
    world.change(leader=1)
    response = sent.response()
    (told,) = response.responses[0].partition_responses
    assert told.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    if version < 10:
        assert not response.node_endpoints
        return
    assert (told.current_leader.leader_id, told.current_leader.leader_epoch) == (1, 1)
    (found,) = response.node_endpoints
    assert (found.node_id, found.host, found.port, found.rack) == (
        *(1, "broker-1.test", 9092, "node-1"),
    )


@pytest.mark.parametrize("version", [15, 17])
def test_a_fetch_elsewhere_is_told_who_leads_and_where(version: int) -> None:
    world = ClusterWorld()
    world.create_topic(partitions=2)
    world.settle()
    rows = [FetchRequestPartition(index) for index in range(2)]
    topic = FetchRequestTopic(TOPIC, TOPIC_ID, partitions=rows)
    response = world.ask(1, FetchRequest(max_wait_ms=0, topics=[topic]), version).response()
    found = {row.partition_index: row for row in response.responses[0].partitions}
    assert found[0].error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    leaders = {index: row.current_leader.leader_id for index, row in found.items()}
    if version < 16:
        assert (leaders, response.node_endpoints) == ({0: -1, 1: -1}, ())
        return
    assert leaders == {0: 0, 1: -1}
    assert [(one.node_id, one.host, one.port) for one in response.node_endpoints] == [
        (0, "broker-0.test", 9092)
    ]


def test_nobody_is_named_who_is_fenced_or_has_no_such_listener() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    topic = world.image.topics[TOPIC]
    assert LeaderHints(world.image, "PLAINTEXT", 1).of(TOPIC_ID, 0) == (0, 0)
    assert LeaderHints(world.image, "OTHER", 1).of(TOPIC, 0) is None
    assert LeaderHints(world.image, "PLAINTEXT", 1).of(TOPIC, len(topic.partitions)) is None
    assert LeaderHints(world.image, "PLAINTEXT", 1).of(UUID(int=99), 0) is None
    fenced = replace(world.image.brokers[0], is_fenced=True)
    image = replace(world.image, brokers={**world.image.brokers, 0: fenced})
    assert LeaderHints(image, "PLAINTEXT", 1).of(TOPIC, 0) is None


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


def test_followers_drop_what_the_leader_has_deleted() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    world.kill(2)
    for value in (b"one", b"two", b"three"):
        world.produce(0, batch_of(value))
    world.settle()
    world.settle(ms=31_000)
    world.settle()
    assert world.rows[0].isr == (0, 1)
    partition = world.nodes[0].up.partition(TOPIC, 0)
    partition.delete_records_before(2)
    world.nodes[0].up.deleted_from(partition)
    world.settle(ms=600)
    assert world.nodes[1].up.followers[TOPIC, 0].log.log_start_offset == 2
    partition.log.roll()
    partition.delete_records_before(3)
    world.rejoin(2)
    world.settle(ms=2_000)
    world.settle()
    assert world.nodes[2].up.followers[TOPIC, 0].log.log_start_offset == 3
    assert set(world.rows[0].isr) == {0, 1, 2}


def test_every_replica_compacts_its_own_log() -> None:
    world = ClusterWorld(log_cleaner_backoff_ms="1000")
    world.create_topic(cleanup_policy="compact", segment_ms="1", min_cleanable_dirty_ratio="0")
    world.settle()
    for value in (b"old", b"older", b"new"):
        world.produce(0, batch_of(value))
        world.settle(ms=1_000)
    for _ in range(5):
        world.settle(ms=1_500)
    for broker_id in range(3):
        held = world.log_bytes(broker_id)
        assert b"older" not in held, broker_id
        assert b"new" in held, broker_id


def test_a_lost_replica_that_alone_was_in_sync_is_told_and_never_made_anew() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    world.kill(0)
    world.kill(2)
    world.change(leader=1, isr=(1,))
    world.produce(1, batch_of(b"one"), acks=1)
    world.settle()
    world.kill(1)
    files = world.nodes[1].files
    for name in files.list_names(PurePath("/data")):
        if name.startswith(str(TOPIC_ID)):
            files.remove_tree(PurePath("/data") / name)
    world.rejoin(1)
    world.settle(ms=2_000)
    assert (TOPIC, 0) not in world.nodes[1].up.followers
    ((told,),) = [topic.partitions for topic in world.nodes[1].metadata.ends]
    assert (told.partition_index, told.is_lost) == (0, True)
    world.change(leader=1, isr=(1,))
    world.settle(ms=2_000)
    assert outcome(world.produce(1, batch_of(b"no"))) == ErrorCode.KAFKA_STORAGE_ERROR


def test_replicas_without_a_leader_tell_how_far_they_reach() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    world.produce(0, batch_of(b"one", b"two"))
    world.settle()
    world.change(leader=-1, isr=(), last_eligible=(0, 1, 2))
    world.settle()
    for node in world.nodes:
        ((told,),) = [topic.partitions for topic in node.metadata.ends]
        assert (told.last_epoch, told.end_offset, told.is_lost) == (0, 2, False)
    world.change(leader=2, isr=(2,))
    world.settle()
    assert not any(node.metadata.ends for node in world.nodes)


def test_a_fetch_of_an_earlier_incarnation_counts_for_nothing() -> None:
    """KIP-903: a delayed fetch says what a replica held that may have lost it since."""
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    epoch = world.image.brokers[1].broker_epoch
    world.kill(1)
    world.rejoin(1)
    world.settle(ms=2_000)
    row = FetchRequestPartition(0, world.rows[0].leader_epoch, 0)
    answers: list[object] = []
    for stale in (epoch, world.image.brokers[1].broker_epoch):
        request = FetchRequest(
            replica_state=FetchRequestReplicaState(1, stale),
            max_wait_ms=0,
            topics=[FetchRequestTopic(topic_id=TOPIC_ID, partitions=[row])],
            rack_id="test",
        )
        world.post(1, 0, request, answers.append)
    world.settle()
    codes = [one.responses[0].partitions[0].error_code for one in answers]  # type: ignore[attr-defined]  # of fetches
    assert codes == [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NONE]


def test_a_deposed_leader_promises_nothing_more() -> None:
    """A fetch with a newer epoch tells it; the watermark stands until the image comes."""
    world = ClusterWorld()
    world.create_topic(mode=CommitMode.SPREAD)
    world.settle()
    world.change(leader=1, isr=(0, 1, 2), only=[1, 2])
    sent = world.produce(0, batch_of(b"never"))
    world.settle(ms=1_000)
    assert not sent.is_answered
    assert world.nodes[0].up.partition(TOPIC, 0).high_watermark == 0
    world.learn_all(0)
    assert outcome(sent) == ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_a_partition_goes_over_to_synced_once_all_have_synced() -> None:
    """durability.md 1: the watermark stands while the barrier is passed."""
    world = ClusterWorld(min_insync_replicas="2")
    world.create_topic()
    world.settle()
    world.produce(0, batch_of(b"one"))
    world.settle()
    world.tell([ConfigRecord(TOPIC_RESOURCE, TOPIC, "flush.messages", "1")])
    partition = world.nodes[0].up.partition(TOPIC, 0)
    assert partition.is_at_barrier
    sent = world.produce(0, batch_of(b"two"))
    assert partition.high_watermark == 1
    for _ in range(4):
        world.settle(ms=700)
    assert world.rows[0].commit_mode == CommitMode.SYNCED
    assert not world.nodes[0].up.partition(TOPIC, 0).is_at_barrier
    assert outcome(sent) == ErrorCode.NONE
    assert [one.synced_offset for one in partition.followers.values()] == [2, 2]


def test_a_follower_whose_disk_fails_ends_its_broker() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    world.nodes[1].files.fail("append", errno.EIO, ".log")
    sent = world.produce(0, batch_of(b"one"))
    with pytest.raises(LogFailure):
        world.settle()
    assert [type(failure) for failure in world.nodes[1].failures] == [LogFailure]
    assert not sent.is_answered


def test_a_follower_without_room_comes_again() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    world.nodes[1].files.fail("append", errno.ENOSPC, ".log")
    sent = world.produce(0, batch_of(b"one"))
    world.settle()
    assert not sent.is_answered
    world.settle(ms=1_000)
    assert outcome(sent) == ErrorCode.NONE
    assert world.log_bytes(1) == world.log_bytes(0)


def test_a_partition_moves_to_another_broker() -> None:
    """KIP-455: the new replica copies, joins the ISR, and the old one deletes its files."""
    world = ClusterWorld()
    world.create_topic()
    world.change(replicas=(0, 1), isr=(0, 1))
    world.settle()
    assert (TOPIC, 0) not in world.nodes[2].up.followers
    world.produce(0, batch_of(b"one"))
    world.settle()
    world.change(replicas=(0, 2, 1), adding_replicas=(2,), removing_replicas=(1,))
    for _ in range(3):
        world.settle(ms=700)
    row = world.rows[0]
    assert (row.replicas, set(row.isr), row.is_moving) == ((0, 2), {0, 2}, False)
    assert world.log_bytes(2) == world.log_bytes(0) != b""
    assert (TOPIC, 0) not in world.nodes[1].up.followers
    assert not world.nodes[1].up.log_dir.partitions()


def test_a_deleted_topic_is_gone_everywhere_and_may_come_again() -> None:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    sent = world.produce(0, batch_of(b"old"))
    world.tell([RemoveTopicRecord(TOPIC_ID)])
    world.settle()
    assert sent.is_answered
    assert not any(node.up.followers for node in world.nodes)
    assert not any(node.up.log_dir.partitions() for node in world.nodes)
    another = UUID(int=4321)
    row = PartitionRecord(another, 0, (1, 2, 0), (1, 2, 0), 1, 0, 0, CommitMode.SPREAD)
    world.tell([TopicRecord(TOPIC, another), row])
    world.settle()
    found = world.produce(1, batch_of(b"new"))
    world.settle()
    assert outcome(found) == ErrorCode.NONE
    assert world.log_bytes(0) == world.log_bytes(1)
    assert b"old" not in world.log_bytes(0)
