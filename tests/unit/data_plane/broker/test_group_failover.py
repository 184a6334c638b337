"""Groups on three brokers: a coordinator goes with its partition's leader, and loses nothing."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from data_plane.broker.group_access import GROUP_VERSION
from data_plane.coordinator.group_partition import OFFSETS_TOPIC
from data_plane.metadata.records import CommitMode, FeatureLevelRecord, PartitionRecord, TopicRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopic,
)
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from data_plane.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tests.unit.data_plane.broker.cluster_world import TOPIC, TOPIC_ID, ClusterWorld, Sent

OFFSETS_ID = UUID(int=0xFACE)
EVERYONE = (0, 1, 2)


def cluster(min_isr: str = "1") -> ClusterWorld:
    """Broker 0 leads the one partition of the offsets topic, which all three have."""
    world = ClusterWorld(group_initial_rebalance_delay_ms="0", min_insync_replicas=min_isr)
    world.create_topic(2)
    row = PartitionRecord(OFFSETS_ID, 0, EVERYONE, EVERYONE, 0, 0, 0, commit_mode=CommitMode.SPREAD)
    feature = FeatureLevelRecord(GROUP_VERSION, 1)
    world.tell([feature, TopicRecord(OFFSETS_TOPIC, OFFSETS_ID), row])
    settle(world)
    return world


def lead_offsets_by(world: ClusterWorld, leader: int) -> None:
    (row,) = world.image.topics[OFFSETS_TOPIC].partitions
    moved = replace(
        row,
        leader=leader,
        leader_epoch=row.leader_epoch + 1,
        partition_epoch=row.partition_epoch + 1,
    )
    world.tell([moved])
    settle(world)


def settle(world: ClusterWorld) -> None:
    """Let everything arrive, followers ask again, and coordinators load."""
    for _ in range(5):
        world.settle(ms=600)
        for node in world.nodes:
            if node.broker is not None:
                node.broker.tick(world.now_ms)
    world.settle()


def answer(world: ClusterWorld, broker_id: int, request: object, version: int) -> Any:
    sent = world.ask(broker_id, request, version)
    settle(world)
    return sent.response()


def commit(world: ClusterWorld, broker_id: int, offset: int) -> Sent:
    row = OffsetCommitRequestPartition(0, committed_offset=offset)
    request = OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic(TOPIC, partitions=[row])])
    return world.ask(broker_id, request, 8)


def code_of(sent: Sent) -> int:
    code: int = sent.response().topics[0].partitions[0].error_code
    return code


def committed(world: ClusterWorld, broker_id: int) -> int:
    request = OffsetFetchRequest("g", [OffsetFetchRequestTopic(TOPIC, [0])])
    offset: int = answer(world, broker_id, request, 7).topics[0].partitions[0].committed_offset
    return offset


def joining(group: str = "members") -> JoinGroupRequest:
    protocols = [JoinGroupRequestProtocol("range", b"topics")]
    return JoinGroupRequest(
        group, 30_000, 30_000, "", protocol_type="consumer", protocols=protocols
    )


def test_offsets_are_committed_once_another_broker_has_them_and_move_with_their_leader() -> None:
    world = cluster()
    sent = commit(world, 0, 7)
    assert not sent.is_answered, "nobody else has it yet"
    settle(world)
    assert code_of(sent) == ErrorCode.NONE
    lead_offsets_by(world, 1)
    assert committed(world, 1) == 7
    stale = commit(world, 0, 8)
    settle(world)
    assert code_of(stale) == ErrorCode.NOT_COORDINATOR
    lead_offsets_by(world, 0)
    assert committed(world, 0) == 7


def test_whoever_waits_when_a_coordinator_goes_is_sent_to_the_next() -> None:
    world = cluster()
    joined = answer(world, 0, joining(), 3)
    assignment = [SyncGroupRequestAssignment(joined.member_id, b"all")]
    sync = SyncGroupRequest(
        "members", joined.generation_id, joined.member_id, assignments=assignment
    )
    assert answer(world, 0, sync, 2).assignment == b"all"
    parked = world.ask(0, joining(), 3)
    world.settle()
    assert not parked.is_answered
    waiting = commit(world, 0, 7)
    lead_offsets_by(world, 1)
    assert parked.response().error_code == ErrorCode.NOT_COORDINATOR
    assert code_of(waiting) == ErrorCode.NOT_COORDINATOR
    # The generation that was synced is known there; the rebalance is begun anew.
    beat = HeartbeatRequest("members", joined.generation_id, joined.member_id)
    assert answer(world, 1, beat, 3).error_code == ErrorCode.NONE


def test_a_kip_848_group_goes_on_where_its_killed_coordinator_was() -> None:
    world = cluster()

    def beat(broker_id: int, member: str, epoch: int, owns: list[int] | None = None) -> Any:
        rows = [ConsumerGroupHeartbeatRequestTopic(TOPIC_ID, owns)] if owns is not None else None
        request = ConsumerGroupHeartbeatRequest(
            "new",
            member,
            epoch,
            rebalance_timeout_ms=30_000 if epoch == 0 else -1,
            subscribed_topic_names=[TOPIC] if epoch == 0 else None,
            topic_partitions=[] if epoch == 0 else rows,
        )
        told = answer(world, broker_id, request, 1)
        assert told.error_code == ErrorCode.NONE
        return told

    beat(0, "a", 0)
    assert beat(0, "b", 0).member_epoch == 2
    assert beat(0, "a", 1).member_epoch == 1, "it is to give up one of two partitions"
    world.kill(0)
    world.fence(0)
    world.tell([])
    settle(world)
    (row,) = world.image.topics[OFFSETS_TOPIC].partitions
    leader = row.leader
    assert leader in (1, 2)
    assert beat(leader, "b", 2).assignment is None, "a has not given up anything yet"
    assert beat(leader, "a", 1, [0]).member_epoch == 2
    (given,) = beat(leader, "b", 2).assignment.topic_partitions
    assert list(given.partitions) == [1]


def test_a_commit_below_min_isr_is_refused_at_once_and_taken_when_it_is_reached_again() -> None:
    """Kafka tells COORDINATOR_NOT_AVAILABLE for NOT_ENOUGH_REPLICAS; clients ask again."""
    world = cluster(min_isr="2")
    (row,) = world.image.topics[OFFSETS_TOPIC].partitions
    alone = replace(row, isr=(0,), partition_epoch=row.partition_epoch + 1)
    world.tell([alone], only=[0])
    log_end = world.nodes[0].up.partition(OFFSETS_TOPIC, 0).log.log_end_offset
    sent = commit(world, 0, 7)
    assert code_of(sent) == ErrorCode.COORDINATOR_NOT_AVAILABLE, "before anything else happens"
    assert world.nodes[0].up.partition(OFFSETS_TOPIC, 0).log.log_end_offset == log_end
    world.tell([replace(alone, isr=EVERYONE, partition_epoch=alone.partition_epoch + 1)])
    settle(world)
    assert committed(world, 0) == -1
    again = commit(world, 0, 7)
    settle(world)
    assert code_of(again) == ErrorCode.NONE
    assert committed(world, 0) == 7
