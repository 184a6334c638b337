"""Group shards in a whole broker: created on demand, answered when committed, reloaded, dropped."""

import errno
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from data_plane.broker.shard_host import LOAD_STEP_RECORDS, ShardHost
from data_plane.broker.shard_table import ShardTable
from data_plane.broker.static_configs import check_static_configs
from data_plane.coordinator.group_config import MigrationPolicy
from data_plane.coordinator.group_records import OffsetCommitted
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, InvalidConfig
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.find_coordinator import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from data_plane.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from data_plane.protocol.messages.sync_group import SyncGroupRequest
from data_plane.protocol.records.batch import iter_batches
from tests.unit.data_plane.broker.world import Asked, World

OFFSETS = "__consumer_offsets"


@pytest.fixture
def world() -> World:
    made = World(group_initial_rebalance_delay_ms="0")
    made.create_topic("t")
    made.ask(FindCoordinatorRequest(key="g"), 3)
    made.settle()
    return made


def commit(world: World, offset: int) -> Asked:
    row = OffsetCommitRequestPartition(0, committed_offset=offset)
    request = OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic("t", partitions=[row])])
    return world.ask(request, 8)


def code_of(asked: Asked) -> int:
    code: int = asked.response().topics[0].partitions[0].error_code
    return code


def committed(world: World) -> int:
    asked = world.ask(OffsetFetchRequest("g", [OffsetFetchRequestTopic("t", [0])]), 7)
    offset: int = asked.response().topics[0].partitions[0].committed_offset
    return offset


def join(world: World, member_id: str = "", timeout_ms: int = 10_000) -> Asked:
    request = JoinGroupRequest(
        "g",
        session_timeout_ms=timeout_ms,
        rebalance_timeout_ms=timeout_ms,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol("range", b"")],
    )
    return world.ask(request, 5)


def test_the_first_question_creates_the_offsets_topic_and_is_answered_by_it() -> None:
    world = World()
    world.executor.is_held = True
    asked = world.ask(FindCoordinatorRequest(key="g"), 3)
    assert not asked.is_answered
    world.settle()
    response: FindCoordinatorResponse = asked.response()
    assert (response.error_code, response.host, response.port) == (0, "broker.test", 9092)
    assert len(world.broker.image.topics[OFFSETS].partitions) == 8
    assert world.broker.image.topic_configs(OFFSETS)["cleanup.policy"] == "compact"


def test_a_commit_is_answered_once_it_is_synced(world: World) -> None:
    world.executor.is_held = True
    asked = commit(world, 5)
    assert not asked.is_answered
    world.executor.run()
    assert code_of(asked) == ErrorCode.NONE
    assert committed(world) == 5


def test_reads_wait_for_what_they_have_seen(world: World) -> None:
    """An offset that a power loss may still take back is shown to nobody (durability.md 4)."""
    world.executor.is_held = True
    commit(world, 5)
    asked = world.ask(OffsetFetchRequest("g", [OffsetFetchRequestTopic("t", [0])]), 7)
    assert not asked.is_answered
    world.executor.run()
    assert asked.response().topics[0].partitions[0].committed_offset == 5


def test_commits_of_one_turn_become_one_batch(world: World) -> None:
    """Several members that commit at once cost one write and one sync (durability.md 4)."""
    shard = world.broker.group_shard("g")
    for offset in (1, 2):
        record = OffsetCommitted("g", "t", 0, offset, -1, "", world.now_ms)
        world.broker.commit(shard, Decision(None, [record]))
    world.broker.end_turn(world.now_ms)
    written = written_to_offsets(world)
    assert [header.records_count for _, header in iter_batches(written)] == [2]
    assert committed(world) == 2


def written_to_offsets(world: World) -> bytes:
    """All that the partitions of the offsets topic hold."""
    return b"".join(
        partition.read(0, bytes_max=1 << 20, at_least_one=True).read_bytes()
        for partition in world.broker.open_partitions()
        if partition.topic == OFFSETS
    )


@pytest.mark.parametrize(
    "stop",
    [
        lambda old: old.broker.close(),
        lambda old: old.files.kill(),
        lambda old: old.files.crash(random.Random(1)),
    ],
    ids=["clean stop", "kill", "power loss"],
)
def test_committed_offsets_are_loaded_again(world: World, stop: Callable[[World], None]) -> None:
    assert code_of(commit(world, 41)) == 0
    assert code_of(commit(world, 42)) == 0
    world.restart(stop)
    assert committed(world) == 42


def test_members_survive_a_restart_and_are_expired_by_time(world: World) -> None:
    required: JoinGroupResponse = join(world).response()
    assert required.error_code == ErrorCode.MEMBER_ID_REQUIRED
    asked = join(world, required.member_id)
    world.sleep(10)
    world.settle()
    joined: JoinGroupResponse = asked.response()
    assert joined.error_code == ErrorCode.NONE
    world.sleep(9_000)
    beat = world.ask(HeartbeatRequest("g", joined.generation_id, joined.member_id), 3)
    world.settle()
    assert beat.response().error_code == ErrorCode.NONE
    world.sleep(10_001)
    world.settle()
    late = world.ask(HeartbeatRequest("g", joined.generation_id, joined.member_id), 3)
    world.settle()
    assert late.response().error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_full_disk_loses_a_commit_in_words_and_the_shard_is_loaded_anew(world: World) -> None:
    assert code_of(commit(world, 1)) == 0
    world.files.fail("append", errno.ENOSPC, ".log")
    lost = commit(world, 2)
    assert code_of(lost) == ErrorCode.NOT_COORDINATOR
    loading = world.ask(OffsetFetchRequest("g", [OffsetFetchRequestTopic("t", [0])]), 7)
    assert loading.response().error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    world.settle()
    assert committed(world) == 1, "what was lost is not shown"
    assert code_of(commit(world, 3)) == 0
    assert world.failures == []


def test_the_first_member_need_not_wait_for_a_coordinator_without_records() -> None:
    """Right after FindCoordinator: nothing is there to be loaded, so nobody is sent away."""
    world = World(group_initial_rebalance_delay_ms="0")
    asked = world.ask(FindCoordinatorRequest(key="g"), 3)
    assert asked.response().error_code == ErrorCode.NONE
    assert join(world).response().error_code == ErrorCode.MEMBER_ID_REQUIRED


def lead_offsets_by(world: World, broker_id: int, leader_epoch: int) -> None:
    """As if leadership of the offsets topic had moved."""
    rows = world.broker.image.topics[OFFSETS].partitions
    records = [replace(row, leader=broker_id, leader_epoch=leader_epoch) for row in rows]
    world.broker.decide(lambda _: Decision(None, records))
    world.settle()


def test_a_coordinator_goes_and_comes_back_with_its_partition(world: World) -> None:
    """Who is parked is told to look elsewhere, and what was committed is loaded on return."""
    assert code_of(commit(world, 7)) == 0
    first = join(world)
    world.settle()
    member_id = first.response().member_id
    held = join(world, member_id)
    other = join(world)
    world.settle()
    parked = join(world, other.response().member_id)
    assert not parked.is_answered, "the first member has not joined again"
    assert held.is_answered
    lead_offsets_by(world, 1, 1)
    assert parked.response().error_code == ErrorCode.NOT_COORDINATOR
    assert code_of(commit(world, 8)) == ErrorCode.NOT_COORDINATOR
    lead_offsets_by(world, 0, 2)
    assert committed(world) == 7
    assert code_of(commit(world, 9)) == 0


@pytest.mark.semantics("61b", "40a")
def test_loading_goes_in_slices_and_says_so_meanwhile(world: World) -> None:
    shard = world.broker.group_shard("g")
    records = [OffsetCommitted("g", "t", at, at, -1, "", world.now_ms) for at in range(1_000)]
    world.broker.commit(shard, Decision(None, records))
    world.settle()
    lead_offsets_by(world, 1, 1)
    rows = world.broker.image.topics[OFFSETS].partitions
    back = [replace(row, leader=0, leader_epoch=2) for row in rows]
    world.broker.decide(lambda _: Decision(None, back))
    world.broker.end_turn(world.now_ms)
    # A member is left in peace, or joins again: Java's consumer gives up if told of loading here.
    assert world.ask(HeartbeatRequest("g", 1, "m"), 3).response().error_code == ErrorCode.NONE
    sync = world.ask(SyncGroupRequest("g", 1, "m"), 3)
    assert sync.response().error_code == ErrorCode.REBALANCE_IN_PROGRESS
    ticks = 0
    while committed_at(world, 999) is None:
        world.broker.tick(world.now_ms)
        ticks += 1
    assert ticks > 1_000 // LOAD_STEP_RECORDS, "a slice replays a bounded number of records"
    assert committed_at(world, 999) == 999


def committed_at(world: World, partition: int) -> int | None:
    """None while the group's coordinator is being loaded."""
    asked = world.ask(OffsetFetchRequest("g", [OffsetFetchRequestTopic("t", [partition])]), 7)
    response = asked.response()
    if response.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        return None
    offset: int = response.topics[0].partitions[0].committed_offset
    return offset


def test_offsets_go_with_their_topic(world: World) -> None:
    assert code_of(commit(world, 5)) == 0
    world.ask(DeleteTopicsRequest(topic_names=["t"]), 3)
    world.settle()
    world.create_topic("t")
    assert committed(world) == -1


def test_the_brokers_own_settings_of_consumer_groups_are_obeyed() -> None:
    world = World(group_consumer_assignors="range, uniform", group_consumer_max_size="7")
    world.ask(FindCoordinatorRequest(key="g"), 3)
    world.settle()
    config = world.broker.group_shard("g").config
    assert config.consumer_assignors == ("range", "uniform")
    assert config.consumer_group_size_max == 7
    assert config.migration_policy is MigrationPolicy.BIDIRECTIONAL


@pytest.mark.parametrize(
    "setting",
    [
        {"group_consumer_assignors": ""},
        {"group_consumer_assignors": "uniform,uniform"},
        {"group_consumer_assignors": "sticky"},
        {"group_consumer_migration_policy": "sideways"},
        {"group_consumer_max_size": "0"},
    ],
)
def test_settings_that_mean_nothing_keep_a_broker_from_starting(setting: dict[str, str]) -> None:
    (name,) = setting
    with pytest.raises(InvalidConfig, match=name.replace("_", ".")):
        check_static_configs({name.replace("_", "."): setting[name]})


def test_a_tick_loads_one_slice_of_one_shard_however_many_are_to_be_loaded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that takes over fifty coordinators serves clients in between (durability.md 5)."""
    for number in range(20):
        row = OffsetCommitRequestPartition(0, committed_offset=number)
        topic = OffsetCommitRequestTopic("t", partitions=[row])
        world.ask(OffsetCommitRequest(f"g-{number}", topics=[topic]), 8)
    assert code_of(commit(world, 5)) == ErrorCode.NONE
    loads: list[int] = []
    is_in_step = False
    load, step = ShardHost.load_step, ShardTable.step

    def counted_load(self: ShardHost[Any], now_ms: int) -> bool:
        if is_in_step:
            loads[-1] += 1
        return load(self, now_ms)

    def counted_step(self: ShardTable[Any], now_ms: int) -> None:
        nonlocal is_in_step
        loads.append(0)
        is_in_step = True
        step(self, now_ms)
        is_in_step = False

    monkeypatch.setattr(ShardHost, "load_step", counted_load)
    monkeypatch.setattr(ShardTable, "step", counted_step)
    world.restart(lambda one: one.files.crash())
    assert max(loads) == 1
    assert sum(loads) > 4, "there were several to load"
    assert committed(world) == 5
