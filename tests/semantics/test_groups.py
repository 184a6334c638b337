"""Groups over the wire, where transcripts and handler tests leave a clause to be said."""

import re
from typing import Any

import pytest

from data_plane.coordinator.group_config import GroupConfig
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from data_plane.protocol.messages.delete_groups import DeleteGroupsRequest
from data_plane.protocol.messages.describe_groups import DescribeGroupsRequest
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from data_plane.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupRequestMember
from data_plane.protocol.messages.list_groups import ListGroupsRequest
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from data_plane.protocol.messages.offset_delete import OffsetDeleteRequest
from data_plane.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestGroupTopic,
    OffsetFetchRequestTopic,
)
from data_plane.protocol.messages.sync_group import (
    SyncGroupRequest,
    SyncGroupRequestAssignment,
)
from data_plane.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.unit.data_plane.broker.transaction_clients import TransactionalClient
from tests.unit.data_plane.broker.world import Asked, World

UUID_FORM = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def new_world(delay_ms: int = 0) -> World:
    world = World(group_initial_rebalance_delay_ms=str(delay_ms))
    world.create_topic("t", 2)
    world.ask(FindCoordinatorRequest(key="g"), 3)
    world.settle()
    return world


@pytest.fixture
def world() -> World:
    return new_world()


def join(
    world: World,
    member: str = "",
    *,
    version: int = 9,
    instance: str | None = None,
    metadata: bytes = b"m",
    session_ms: int = 10_000,
) -> Asked:
    request = JoinGroupRequest(
        "g",
        session_ms,
        30_000,
        member,
        instance,
        "consumer",
        [JoinGroupRequestProtocol("range", metadata)],
    )
    asked = world.ask(request, version)
    world.settle()
    return asked


def admitted(world: World) -> str:
    """A new member's id; its first JoinGroup is answered, its second is under way."""
    member: str = join(world).response().member_id
    return member


def sync(
    world: World, member: str, generation: int, given: dict[str, bytes] | None = None, **more: Any
) -> Asked:
    version = more.pop("version", 5)
    rows = [SyncGroupRequestAssignment(*one) for one in (given or {}).items()]
    told = {"protocol_type": "consumer", "protocol_name": "range", **more}
    asked = world.ask(SyncGroupRequest("g", generation, member, assignments=rows, **told), version)
    world.settle()
    return asked


def state(world: World, version: int = 5) -> str:
    (row,) = world.ask(DescribeGroupsRequest(["g"]), version).response().groups
    listed = world.ask(ListGroupsRequest(), 4).response().groups
    names = [one.group_state for one in listed if one.group_id == "g"]
    assert names in ([row.group_state], []), "both APIs say the same"
    name: str = row.group_state
    return name


@pytest.mark.semantics("50a", "50b", "50c")
@pytest.mark.parametrize("version", range(10))
def test_a_new_members_id(world: World, version: int) -> None:
    answer = join(world, version=version).response()
    wanted = ErrorCode.MEMBER_ID_REQUIRED if version >= 4 else ErrorCode.NONE
    assert answer.error_code == wanted
    assert re.fullmatch(f"test-{UUID_FORM}", answer.member_id)
    if version >= 4:
        world.sleep(9_999)
        assert join(world, answer.member_id, version=version).response().error_code == 0
        late = new_world()
        member = admitted(late)
        late.sleep(10_000)
        assert join(late, member).response().error_code == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.semantics("10e", "53a", "53b")
@pytest.mark.parametrize("version", range(10))
def test_who_is_refused_has_no_protocol(world: World, version: int) -> None:
    """Null from v7 on, an empty name before."""
    refused = join(world, version=version, session_ms=1).response()
    assert refused.error_code == ErrorCode.INVALID_SESSION_TIMEOUT
    assert refused.protocol_name == (None if version >= 7 else "")
    assert refused.protocol_type is None
    nothing = JoinGroupRequest("g", 10_000, 10_000, "", None, "consumer", [])
    answer = world.ask(nothing, version).response()
    assert answer.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_requests_about_no_group(world: World) -> None:
    deleted = world.ask(DeleteGroupsRequest(["nobody", "nobody"]), 2).response()
    assert [(row.group_id, row.error_code) for row in deleted.results] == [
        ("nobody", ErrorCode.GROUP_ID_NOT_FOUND)
    ]
    for group, code in (("", ErrorCode.INVALID_GROUP_ID), ("no", ErrorCode.GROUP_ID_NOT_FOUND)):
        answer = world.ask(OffsetDeleteRequest(group, []), 0).response()
        assert answer.error_code == code


@pytest.mark.semantics("51a", "51b")
def test_the_first_gathering_grows_with_its_members() -> None:
    """Three seconds from each new one on, and the rebalance timeout at most."""
    assert GroupConfig().initial_rebalance_delay_ms == 3_000
    world = new_world(delay_ms=3_000)
    waiting = [join(world, admitted(world))]
    for tenth in range(299):
        world.sleep(100)  # As often as timers are looked at, and often enough for each of them.
        if tenth % 29 == 28:
            waiting.append(join(world, admitted(world)))
        assert not any(asked.is_answered for asked in waiting), tenth
    world.sleep(100)
    assert [asked.response().generation_id for asked in waiting] == [1] * 11


@pytest.mark.semantics("51a")
def test_a_gathering_that_nobody_joins_ends_after_the_delay() -> None:
    world = new_world(delay_ms=3_000)
    alone = join(world, admitted(world))
    world.sleep(2_999)
    assert not alone.is_answered
    world.sleep(1)
    assert alone.response().generation_id == 1


@pytest.mark.semantics("54a", "54b", "55a", "55b", "57b", "59a")
def test_a_rebalance_from_state_to_state(world: World) -> None:
    assert state(world) == "Dead"
    first = join(world, admitted(world)).response()
    assert (first.generation_id, first.leader) == (1, first.member_id)
    assert state(world) == "CompletingRebalance"
    me = first.member_id
    assert sync(world, me, 1, {me: b"all"}).response().assignment == b"all"
    assert state(world) == "Stable"
    other = join(world, admitted(world))
    assert not other.is_answered
    assert state(world) == "PreparingRebalance"
    beat = world.ask(HeartbeatRequest("g", 1, me), 4).response()
    assert beat.error_code == ErrorCode.REBALANCE_IN_PROGRESS
    again = join(world, me).response()
    second = other.response()
    assert (again.generation_id, again.leader, second.leader) == (2, me, me)
    assert {one.member_id for one in again.members} == {me, second.member_id}
    assert len(second.members) == 0
    parked = sync(world, second.member_id, 2)
    assert not parked.is_answered
    assert world.ask(HeartbeatRequest("g", 2, me), 4).response().error_code == 0
    assert sync(world, me, 2, {second.member_id: b"yours"}).response().assignment == b""
    assert parked.response().assignment == b"yours"
    leaving = [LeaveGroupRequestMember(one) for one in (me, second.member_id)]
    world.ask(LeaveGroupRequest("g", members=leaving), 4)
    world.settle()
    assert state(world) == "Empty"


@pytest.mark.semantics("54d")
def test_the_protocol_named_in_a_sync_must_be_the_groups(world: World) -> None:
    me = join(world, admitted(world)).response().member_id
    wrong = (("connect", "range"), ("consumer", "sticky"), (None, "range"), ("consumer", None))
    for kind, name in wrong:
        code = sync(world, me, 1, protocol_type=kind, protocol_name=name).response().error_code
        assert code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    answer = sync(
        world, me, 1, {me: b"x"}, protocol_type="consumer", protocol_name="range"
    ).response()
    assert (answer.error_code, answer.protocol_type, answer.protocol_name) == (
        0,
        "consumer",
        "range",
    )


@pytest.mark.semantics("58a", "58b", "58c", "58e")
@pytest.mark.parametrize("version", [5, 8, 9])
def test_a_static_leader_that_comes_back(world: World, version: int) -> None:
    first = join(world, instance="i", version=version).response()
    old = first.member_id
    sync(world, old, 1, {old: b"mine"}, group_instance_id="i")
    back = join(world, instance="i", version=version).response()
    assert (back.error_code, back.generation_id) == (0, 1)
    assert back.member_id != old
    # Before v9 nothing tells the leader not to assign anew, so it is told of another leader.
    if version >= 9:
        assert (back.leader, back.skip_assignment) == (back.member_id, True)
        assert [one.member_id for one in back.members] == [back.member_id]
    else:
        assert back.leader != back.member_id
        assert len(back.members) == 0
    assert sync(world, back.member_id, 1, group_instance_id="i").response().assignment == b"mine"
    fenced = world.ask(HeartbeatRequest("g", 1, old, "i"), 4).response()
    assert fenced.error_code == ErrorCode.FENCED_INSTANCE_ID
    world.sleep(9_999)
    assert state(world) == "Stable", "away, and its place is kept"
    world.sleep(1)
    assert state(world) == "Empty"


@pytest.mark.semantics("59b")
@pytest.mark.parametrize("version", range(7))
def test_a_group_that_nobody_knows(world: World, version: int) -> None:
    (row,) = world.ask(DescribeGroupsRequest(["nobody"]), version).response().groups
    assert row.group_state == "Dead"
    assert len(row.members) == 0
    assert row.error_code == (ErrorCode.GROUP_ID_NOT_FOUND if version >= 6 else ErrorCode.NONE)


def commit(world: World, metadata: str | None, *, version: int = 8, partition: int = 0) -> int:
    row = OffsetCommitRequestPartition(partition, 5, committed_metadata=metadata)
    asked = world.ask(
        OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic("t", partitions=[row])]), version
    )
    world.settle()
    code: int = asked.response().topics[0].partitions[0].error_code
    return code


def committed(world: World, version: int = 7, partition: int = 0, **more: Any) -> Any:
    if version >= 8:
        wanted = [OffsetFetchRequestGroupTopic("t", partition_indexes=[partition])]
        group = OffsetFetchRequestGroup("g", topics=wanted)
        answer = world.ask(OffsetFetchRequest(groups=[group], **more), version).response()
        (found,) = answer.groups
    else:
        request = OffsetFetchRequest("g", [OffsetFetchRequestTopic("t", [partition])], **more)
        found = world.ask(request, version).response()
    return found.topics[0].partitions[0]


@pytest.mark.semantics("60b", "60c", "61a")
@pytest.mark.parametrize("version", range(2, 10))
def test_metadata_comes_back_and_null_is_empty(world: World, version: int) -> None:
    for given, kept in (("note ü", "note ü"), ("", ""), (None, ""), ("x" * 4_096, "x" * 4_096)):
        assert commit(world, given, version=version) == 0
        row = committed(world, version)
        assert (row.committed_offset, row.metadata, row.error_code) == (5, kept, 0)
    too_large = ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert commit(world, "x" * 4_097, version=version, partition=1) == too_large
    row = committed(world, version, partition=1)
    assert (row.committed_offset, row.metadata, row.error_code) == (-1, "", 0)
    if version >= 5:
        assert row.committed_leader_epoch == -1


@pytest.mark.semantics("61c")
def test_an_offset_in_a_transaction_is_unstable(world: World) -> None:
    client = TransactionalClient(world, "id")
    client.find()
    client.init()
    client.add_offsets()
    client.commit_offset(7)
    for version in (7, 8, 9):
        row = committed(world, version, require_stable=True)
        assert row.error_code == ErrorCode.UNSTABLE_OFFSET_COMMIT
        row = committed(world, version)
        assert (row.error_code, row.committed_offset) == (0, -1)
    client.end(is_commit=True)
    assert committed(world, require_stable=True).committed_offset == 7


@pytest.mark.semantics("70c")
def test_a_members_offsets_in_a_transaction_are_fenced(world: World) -> None:
    """Who is of another generation, or no member at all, commits nothing (KIP-447)."""
    me = join(world, admitted(world)).response().member_id
    sync(world, me, 1, {me: b""})
    client = TransactionalClient(world, "id")
    client.find()
    client.init()
    client.add_offsets()

    def code(version: int, generation: int, member: str, instance: str | None = None) -> int:
        row = TxnOffsetCommitRequestPartition(0, 9)
        request = TxnOffsetCommitRequest(
            "id",
            "g",
            client.producer_id,
            client.producer_epoch,
            generation,
            member,
            instance,
            [TxnOffsetCommitRequestTopic("t", partitions=[row])],
        )
        asked = world.ask(request, version)
        world.settle()
        told: int = asked.response().topics[0].partitions[0].error_code
        return told

    for version in (3, 4):
        assert code(version, 2, me) == ErrorCode.ILLEGAL_GENERATION
        assert code(version, 1, "stranger") == ErrorCode.UNKNOWN_MEMBER_ID
        assert code(version, 1, me, "i") in {
            ErrorCode.FENCED_INSTANCE_ID,
            ErrorCode.UNKNOWN_MEMBER_ID,
        }
        assert code(version, 1, me) == ErrorCode.NONE
    assert code(2, -1, "") == ErrorCode.NONE, "older clients name no member"


@pytest.mark.semantics("63b", "63c")
@pytest.mark.parametrize("version", range(7))
def test_a_coordinator_by_each_version(world: World, version: int) -> None:
    if version < 4:
        answer = world.ask(FindCoordinatorRequest("g", 0), version).response()
        assert (answer.error_code, answer.node_id, answer.port) == (0, 0, 9092)
    else:
        keys = ["g", "h", "g"]
        rows = world.ask(FindCoordinatorRequest(key_type=0, coordinator_keys=keys), version)
        told = [(row.key, row.error_code) for row in rows.response().coordinators]
        assert told == [(key, 0) for key in keys]


def beat(world: World, epoch: int, **more: Any) -> Any:
    asked = world.ask(ConsumerGroupHeartbeatRequest("g", "m", epoch, **more), 1)
    world.settle()
    return asked.response()


@pytest.mark.semantics("64a", "64b")
def test_heartbeats_tell_only_what_changed(world: World) -> None:
    everything = {
        "rebalance_timeout_ms": 30_000,
        "subscribed_topic_names": ["t"],
        "topic_partitions": [],
    }
    joined = beat(world, 0, **everything)
    assert (joined.error_code, joined.member_epoch) == (0, 1)
    assert joined.assignment is not None
    quiet = beat(world, 1)
    assert (quiet.error_code, quiet.member_epoch, quiet.assignment) == (0, 1, None)
    world.create_topic("u")
    changed = beat(world, 1, subscribed_topic_names=["t", "u"])
    assert changed.member_epoch == 2
    assert {row.topic_id for row in changed.assignment.topic_partitions} == {
        world.topic_id("t"),
        world.topic_id("u"),
    }
    assert beat(world, 2).assignment is None, "null left the subscription as it was"
    gone = beat(world, -1)
    assert (gone.error_code, gone.member_epoch) == (0, -1)
    assert beat(world, 2).error_code == ErrorCode.UNKNOWN_MEMBER_ID
