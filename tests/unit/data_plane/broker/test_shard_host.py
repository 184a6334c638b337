"""A shard and its log: what is committed when, what a reload finds, what a lost shard answers.

Method: a real group shard over a real partition log on files in memory; turns and syncs by hand.
"""

from random import Random
from uuid import UUID

import pytest

from data_plane.broker.shard_host import ShardHost
from data_plane.coordinator.classic_member import GroupState
from data_plane.coordinator.classic_sync import Leaving
from data_plane.coordinator.consumer_heartbeat import Heartbeat
from data_plane.coordinator.consumer_protocol import INT16, Subscription
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_records import OffsetCommitted
from data_plane.coordinator.groups_shard import NO_TOPICS, GroupsShard
from data_plane.coordinator.offsets import OffsetsCommit
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import CoordinatorNotAvailable, KafkaError, NotCoordinator
from data_plane.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from data_plane.protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from data_plane.protocol.messages.sync_group import SyncGroupRequest
from data_plane.protocol.records.batch import iter_batches
from data_plane.protocol.schema import encode
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Parked
from tests.factories.record_batches import NOW_MS, memory_files, new_log, reopen

Host = ShardHost[GroupsShard]
SUBSCRIPTION = INT16.pack(1) + encode(Subscription(["t"]), 1)


class World:
    """One shard; `end_turn` writes, `sync` commits, `restart` loads it anew from its files."""

    def __init__(self) -> None:
        self.files: MemoryFiles = memory_files()
        self.partition = self._partition(new_log(self.files))
        self.host = self.open()
        self.load()

    def _partition(self, log: PartitionLog) -> Partition:
        return Partition("__consumer_offsets", 0, UUID(int=1), log, leader_epoch=0)

    def open(self) -> Host:
        shard = GroupsShard(GroupConfig(initial_rebalance_delay_ms=0), Random(1))
        return ShardHost(shard, self.partition, lambda _: None)

    def load(self) -> int:
        """Steps that loading took."""
        steps = 1
        while not self.host.load_step(NOW_MS):
            steps += 1
            assert steps < 1_000, "loading does not end"
        return steps

    def end_turn(self) -> None:
        self.host.flush(NOW_MS)
        self.partition.write()

    def sync(self) -> None:
        ticket = self.partition.log.sync_ticket()
        ticket.run()
        self.partition.complete_sync(ticket)

    def restart(self) -> None:
        self.partition = self._partition(reopen(self.files))
        self.host = self.open()
        self.load()

    def commit(self, offset: int, partition: int = 0) -> object:
        record = OffsetCommitted("g", "t", partition, offset, -1, "", NOW_MS)
        request = OffsetsCommit("g", "", None, -1, 8, [record])
        return self.host.commit(self.host.shard.decide_offset_commit(request, now_ms=NOW_MS))

    def join(self) -> Parked:
        request = JoinGroupRequest(
            group_id="h",
            session_timeout_ms=10_000,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol("range", SUBSCRIPTION)],
        )
        parked = Parked()
        decision = self.host.shard.decide_join_group(
            request, api_version=3, client_id="c", client_host="h", now_ms=NOW_MS, token=parked
        )
        self.host.commit(decision)
        return parked

    def settle_classic(self) -> str:
        """A classic group of one consumer, its generation in the log; the member's id."""
        joined = self.join().response
        assert isinstance(joined, JoinGroupResponse)
        request = SyncGroupRequest("h", joined.generation_id, joined.member_id)
        sync = self.host.shard.decide_sync_group(request, now_ms=NOW_MS, token=Parked())
        self.host.commit(sync)
        self.end_turn()
        self.sync()
        return joined.member_id

    def beat(self, epoch: int) -> object:
        """A heartbeat of member m of KIP-848."""
        request = ConsumerGroupHeartbeatRequest(
            "h",
            "m",
            epoch,
            rebalance_timeout_ms=60_000,
            subscribed_topic_names=["t"],
            topic_partitions=[],
        )
        heartbeat = Heartbeat(
            request=request,
            member_id="m",
            client_id="c",
            client_host="h",
            image=NO_TOPICS,
            may_describe=lambda _: True,
            now_ms=NOW_MS,
        )
        decision = self.host.shard.decide_consumer_heartbeat(heartbeat)
        return self.host.commit(decision, NOW_MS + 5_000)

    def committed(self) -> dict[int, int]:
        held = self.host.shard.committed("g")
        return {partition: record.offset for (_, partition), record in held.items()}


def done(*parked: Parked) -> list[bool]:
    return [one.is_done for one in parked]


def test_an_answer_waits_for_the_sync_of_what_it_rests_on() -> None:
    world = World()
    commit = world.commit(5)
    joined = world.join()  # writes nothing, and yet may not overtake the commit before it
    assert isinstance(commit, Parked)
    world.end_turn()
    assert done(commit, joined) == [False, False]
    world.sync()
    assert done(commit, joined) == [True, True]


def test_an_answer_does_not_wait_for_replicas_that_may_never_come() -> None:
    world = World()
    record = OffsetCommitted("g", "t", 0, 5, -1, "", NOW_MS)
    request = OffsetsCommit("g", "", None, -1, 8, [record])
    decision = world.host.shard.decide_offset_commit(request, now_ms=NOW_MS)
    commit = world.host.commit(decision, NOW_MS + 5_000)
    assert isinstance(commit, Parked)
    assert commit.deadline_ms == NOW_MS + 5_000
    commit.expire()
    assert isinstance(commit.response, CoordinatorNotAvailable)
    world.end_turn()
    world.sync()
    assert world.committed() == {0: 5}  # What was appended stays.


def test_what_too_few_replicas_would_keep_is_refused_at_once_and_not_written() -> None:
    world = World()
    world.partition.has_enough_replicas = False
    record = OffsetCommitted("g", "t", 0, 5, -1, "", NOW_MS)
    request = OffsetsCommit("g", "", None, -1, 8, [record])
    decision = world.host.shard.decide_offset_commit(request, now_ms=NOW_MS)
    commit = world.host.commit(decision, NOW_MS + 5_000)
    assert isinstance(commit, Parked)
    assert isinstance(commit.response, CoordinatorNotAvailable)
    world.end_turn()
    assert (world.partition.log.log_end_offset, world.committed()) == (0, {})
    read = world.host.commit(Decision("what it knows"), NOW_MS + 5_000)
    assert read == "what it knows", "nothing is written for it"
    world.partition.has_enough_replicas = True
    assert isinstance(world.host.commit(decision, NOW_MS + 5_000), Parked)
    world.end_turn()
    world.sync()
    assert world.committed() == {0: 5}


def test_a_group_that_goes_over_with_too_few_replicas_is_what_its_log_says() -> None:
    """It has changed when it decides: refused, it would be another group than the one on disk."""
    world = World()
    member_id = world.settle_classic()
    world.partition.has_enough_replicas = False
    joined = world.beat(epoch=0)
    assert isinstance(joined, Parked)
    assert not joined.is_done, "it waits for its records, and is not refused"
    world.end_turn()
    world.sync()
    world.restart()
    group = world.host.shard.consumer_groups.get("h")
    assert group is not None
    assert group.members.keys() == {member_id, "m"}
    assert "h" not in world.host.shard.groups
    world.partition.has_enough_replicas = False
    left = world.beat(epoch=-1)
    assert isinstance(left, Parked)
    assert not left.is_done
    world.end_turn()
    world.sync()
    world.restart()
    assert world.host.shard.consumer_groups.get("h") is None
    assert world.host.shard.groups["h"].members.keys() == {member_id}


def test_a_member_that_leaves_with_too_few_replicas_has_left() -> None:
    world = World()
    leaving = [Leaving(world.settle_classic())]
    world.partition.has_enough_replicas = False
    decision = world.host.shard.decide_leave_group("h", leaving, now_ms=NOW_MS)
    left = world.host.commit(decision, NOW_MS + 5_000)
    assert isinstance(left, Parked)
    assert not left.is_done
    world.end_turn()
    world.sync()
    assert world.host.shard.groups["h"].is_in(GroupState.EMPTY)
    world.restart()
    assert world.host.shard.groups["h"].is_in(GroupState.EMPTY)


def test_an_answer_that_rests_on_nothing_new_leaves_at_once() -> None:
    assert World().join().is_done


def test_records_of_one_turn_are_one_batch() -> None:
    world = World()
    for partition in range(3):
        world.commit(5, partition)
    world.end_turn()
    world.sync()
    stored = world.partition.read(0, bytes_max=1 << 20, at_least_one=True).read_bytes()
    assert [header.records_count for _, header in iter_batches(memoryview(stored))] == [3]


def test_a_reload_finds_everything_that_was_committed() -> None:
    world = World()
    for offset in range(20):
        world.commit(offset, offset % 3)
        world.end_turn()
        world.sync()
    before = world.committed()
    world.restart()
    assert world.committed() == before == {0: 18, 1: 19, 2: 17}


def test_a_reload_of_a_long_log_goes_in_steps() -> None:
    """No callback may hold the loop for long (durability.md 5)."""
    world = World()
    for turn in range(40):
        for partition in range(200):
            world.commit(turn, partition)
        world.end_turn()
    world.sync()
    world.host = world.open()
    assert world.load() > 2
    assert world.committed() == dict.fromkeys(range(200), 39)


def test_a_reload_also_replays_what_is_not_synced_yet_and_answers_after_the_sync() -> None:
    """Those records will be committed too; a shard that missed them would forget an offset."""
    world = World()
    world.commit(5)
    world.end_turn()  # written, not synced
    world.host = world.open()
    world.load()
    assert world.committed() == {0: 5}
    answer = world.host.commit(Decision("what the group has"))
    assert isinstance(answer, Parked)
    assert done(answer) == [False]
    world.sync()
    assert answer.response == "what the group has"


@pytest.mark.parametrize("is_written", [False, True])
def test_a_lost_shard_sends_everybody_to_look_for_the_coordinator(is_written: bool) -> None:
    world = World()
    commit = world.commit(5)
    assert isinstance(commit, Parked)
    if is_written:
        world.end_turn()
    world.host.fail()
    assert isinstance(commit.response, NotCoordinator)


def test_a_request_parked_in_a_lost_shard_is_answered_too() -> None:
    world = World()
    world.join()
    second = world.join()  # waits for the first member to rejoin
    assert done(second) == [False]
    world.host.fail()
    assert done(second) == [True]
    code = getattr(second.response, "error_code", None)
    assert isinstance(second.response, KafkaError) or code == NotCoordinator.default_code
