"""A leader that may have been deposed without knowing sends its clients away, and loses nothing."""

from typing import Any

import pytest

from data_plane.broker.doubts import SILENT_MS
from data_plane.coordinator.group_partition import OFFSETS_TOPIC
from data_plane.log.failures import DamagedLog
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tests.factories.record_batches import client_batch
from tests.unit.data_plane.broker import test_group_failover as groups
from tests.unit.data_plane.broker.cluster_world import TOPIC, TOPIC_ID, ClusterWorld

LEADER = 0
RECORD = bytes(client_batch())
AWAY = ErrorCode.NOT_LEADER_OR_FOLLOWER


def cluster() -> ClusterWorld:
    """Broker 0 leads one partition with one committed record, and has followers."""
    world = ClusterWorld(min_insync_replicas="2")
    world.create_topic()
    settle(world)
    sent = world.produce(LEADER, RECORD)
    settle(world)
    assert code_of(sent) == ErrorCode.NONE
    return world


def settle(world: ClusterWorld, *, ms: int = 1_500) -> None:
    for _ in range(0, ms, 300):
        world.settle(ms=300)


def code_of(sent: Any) -> int:
    found: int = sent.response().responses[0].partition_responses[0].error_code
    return found


def cut_off(world: ClusterWorld) -> None:
    """What brokers say to the leader is lost, and what it says to them; it knows after a while."""
    world.cut |= {(LEADER, one) for one in (1, 2)} | {(one, LEADER) for one in (1, 2)}
    settle(world, ms=SILENT_MS + 600)


def doubt(world: ClusterWorld, *, is_unheard: bool = True) -> None:
    world.nodes[LEADER].metadata.is_unheard = is_unheard
    settle(world, ms=300)


def waiting_fetch(world: ClusterWorld, offset: int) -> Any:
    topic = FetchRequestTopic(
        TOPIC, TOPIC_ID, partitions=[FetchRequestPartition(0, fetch_offset=offset)]
    )
    return world.ask(LEADER, FetchRequest(max_wait_ms=60_000, min_bytes=1, topics=[topic]), 12)


@pytest.mark.parametrize("acks", [1, -1])
def test_a_leader_in_doubt_takes_no_records(acks: int) -> None:
    world = cluster()
    cut_off(world)
    doubt(world)
    sent = world.produce(LEADER, RECORD, acks=acks)
    settle(world, ms=300)
    assert code_of(sent) == AWAY
    assert world.nodes[LEADER].up.partition(TOPIC, 0).log.log_end_offset == 1


def test_who_waits_for_replicas_is_sent_away_and_the_records_stay() -> None:
    """They may be committed yet: nobody was told that they are not there."""
    world = cluster()
    cut_off(world)
    sent = world.produce(LEADER, RECORD, timeout_ms=600_000)
    settle(world, ms=300)
    assert not sent.is_answered
    doubt(world)
    assert code_of(sent) == AWAY
    assert world.nodes[LEADER].up.partition(TOPIC, 0).log.log_end_offset == 2


def test_a_reader_gets_what_is_committed_and_is_sent_away_where_that_ends() -> None:
    world = cluster()
    cut_off(world)
    at_end = waiting_fetch(world, 1)
    settle(world, ms=300)
    assert not at_end.is_answered
    doubt(world)
    assert at_end.response().responses[0].partitions[0].error_code == AWAY
    old = world.fetch(LEADER, 0)
    assert (old.error_code, bool(old.records)) == (ErrorCode.NONE, True)
    new = world.fetch(LEADER, 1)
    assert (new.error_code, new.high_watermark) == (AWAY, 1)


def test_nobody_is_named_as_leader_by_who_says_that_it_leads_no_more() -> None:
    world = cluster()
    cut_off(world)
    doubt(world)
    topic = FetchRequestTopic(
        TOPIC, TOPIC_ID, partitions=[FetchRequestPartition(0, fetch_offset=1)]
    )
    response = world.ask(LEADER, FetchRequest(max_wait_ms=0, topics=[topic]), 17).response()
    assert response.responses[0].partitions[0].current_leader.leader_id == -1
    assert response.node_endpoints == ()


def test_a_leader_that_its_followers_hear_goes_on_without_a_controller() -> None:
    """The controller may be gone for long; what is written commits all the same."""
    world = cluster()
    doubt(world)
    settle(world, ms=4 * SILENT_MS)
    sent = world.produce(LEADER, RECORD)
    settle(world)
    assert code_of(sent) == ErrorCode.NONE


def test_a_leader_that_is_heard_waits_for_its_followers() -> None:
    """Who is cut off is taken out of the ISR; that is no reason to send anybody away."""
    world = cluster()
    cut_off(world)
    sent = world.produce(LEADER, RECORD, timeout_ms=600_000)
    settle(world, ms=2 * SILENT_MS)
    assert not sent.is_answered


def test_a_partition_without_followers_is_never_in_doubt() -> None:
    world = cluster()
    world.change(replicas=(LEADER,), isr=(LEADER,))
    settle(world)
    cut_off(world)
    doubt(world)
    assert not world.nodes[LEADER].up.partition(TOPIC, 0).is_in_doubt


def test_once_heard_again_it_serves_on_as_the_same_leader() -> None:
    world = cluster()
    cut_off(world)
    waiting = world.produce(LEADER, RECORD, timeout_ms=600_000)
    doubt(world)
    assert code_of(waiting) == AWAY
    world.cut.clear()
    doubt(world, is_unheard=False)
    settle(world)
    sent = world.produce(LEADER, RECORD)
    settle(world)
    assert code_of(sent) == ErrorCode.NONE
    assert world.fetch(LEADER, 0).high_watermark == 3
    assert world.log_bytes(1) == world.log_bytes(2) == world.log_bytes(LEADER)


def test_a_coordinator_in_doubt_sends_members_away_and_loads_its_groups_again() -> None:
    world = groups.cluster(min_isr="2")
    done = groups.commit(world, LEADER, 5)
    joined = groups.answer(world, LEADER, groups.joining(), 3)
    assigned = [SyncGroupRequestAssignment(joined.member_id, b"all")]
    member = (joined.generation_id, joined.member_id)
    groups.answer(world, LEADER, SyncGroupRequest("members", *member, assignments=assigned), 2)
    beat = HeartbeatRequest("members", *member)
    assert groups.code_of(done) == ErrorCode.NONE
    cut_off(world)
    waiting = groups.commit(world, LEADER, 7)
    settle(world, ms=300)
    assert not waiting.is_answered
    doubt(world)
    assert groups.code_of(waiting) == ErrorCode.NOT_COORDINATOR
    assert world.ask(LEADER, beat, 3).response().error_code == ErrorCode.NOT_COORDINATOR
    asked = FindCoordinatorRequest(key_type=0, coordinator_keys=["members"])
    (found,) = world.ask(LEADER, asked, 4).response().coordinators
    assert found.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE

    world.cut.clear()
    doubt(world, is_unheard=False)
    groups.settle(world)
    assert groups.committed(world, LEADER) == 7, "it was written, and counts"
    assert world.ask(LEADER, beat, 3).response().error_code == ErrorCode.NONE


def test_a_coordinator_whose_log_cannot_be_opened_is_named_all_the_same() -> None:
    """Its shard says what is wrong; a partition's code means nothing to who looks for it."""
    world = groups.cluster()
    broker = world.nodes[LEADER].up
    partition = broker.partition(OFFSETS_TOPIC, 0)
    broker.quarantine(partition, DamagedLog("damaged for this test"))
    asked = FindCoordinatorRequest(key_type=0, coordinator_keys=["members"])
    (found,) = world.ask(LEADER, asked, 4).response().coordinators
    assert (found.error_code, found.node_id) == (ErrorCode.NONE, LEADER)
