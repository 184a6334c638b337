"""ConsumerGroupHeartbeat: what is refused, fenced and answered, over a whole broker."""

from typing import Any

import pytest

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from data_plane.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from data_plane.protocol.messages.update_features import (
    SAFE_DOWNGRADE,
    UpdateFeaturesRequest,
    UpdateFeaturesRequestFeature,
)
from tests.unit.data_plane.broker.world import World


@pytest.fixture
def world() -> World:
    made = World()
    made.create_topic("t", 2)
    made.ask(FindCoordinatorRequest(key="g"), 3)
    made.settle()
    return made


def beat(world: World, member: str = "m", epoch: int = 0, **more: Any) -> Any:
    """One heartbeat; a joining one tells all that it must."""
    if epoch == 0:
        more = {
            "rebalance_timeout_ms": 1_000,
            "subscribed_topic_names": ["t"],
            "topic_partitions": [],
            **more,
        }
    request = ConsumerGroupHeartbeatRequest("g", member, epoch, **more)
    asked = world.ask(request, 1)
    world.executor.run()
    response: ConsumerGroupHeartbeatResponse = asked.response()
    return response


def test_a_lone_member_gets_everything_at_once(world: World) -> None:
    joined = beat(world)
    assert (joined.error_code, joined.member_id, joined.member_epoch) == (0, "m", 1)
    (row,) = joined.assignment.topic_partitions
    assert (row.topic_id, list(row.partitions)) == (world.topic_id("t"), [0, 1])
    again = beat(world, epoch=1)
    assert (again.member_epoch, again.assignment) == (1, None), "nothing has changed"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"member": ""}, ErrorCode.INVALID_REQUEST),
        ({"rebalance_timeout_ms": -1}, ErrorCode.INVALID_REQUEST),
        ({"topic_partitions": None}, ErrorCode.INVALID_REQUEST),
        ({"subscribed_topic_names": None}, ErrorCode.INVALID_REQUEST),
        ({"instance_id": ""}, ErrorCode.INVALID_REQUEST),
        ({"epoch": -3}, ErrorCode.INVALID_REQUEST),
        ({"epoch": -2}, ErrorCode.INVALID_REQUEST),
        ({"epoch": 4}, ErrorCode.GROUP_ID_NOT_FOUND),
        ({"server_assignor": "sticky"}, ErrorCode.UNSUPPORTED_ASSIGNOR),
        ({"subscribed_topic_regex": "(a"}, ErrorCode.INVALID_REGULAR_EXPRESSION),
        ({"subscribed_topic_regex": "(?=a)"}, ErrorCode.INVALID_REGULAR_EXPRESSION),
    ],
)
def test_what_no_group_takes_is_refused(world: World, more: dict[str, Any], code: int) -> None:
    assert beat(world, **more).error_code == code


@pytest.mark.semantics("64e")
def test_epochs_fence(world: World) -> None:
    beat(world)
    assert beat(world, epoch=2).error_code == ErrorCode.FENCED_MEMBER_EPOCH
    assert beat(world, member="x", epoch=1).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert beat(world, epoch=0, topic_partitions=[]).error_code == 0, "it may join anew"


@pytest.mark.semantics("64e")
def test_an_instance_id_in_use_is_not_given_away(world: World) -> None:
    beat(world, instance_id="i")
    assert beat(world, "n", instance_id="i").error_code == ErrorCode.UNRELEASED_INSTANCE_ID
    assert beat(world, "n", 1, instance_id="i").error_code == ErrorCode.FENCED_INSTANCE_ID
    assert beat(world, epoch=-2, instance_id="i").member_epoch == -2
    back = beat(world, "n", instance_id="i")
    assert (back.error_code, back.member_epoch) == (0, 1), "its place, without a rebalance"
    assert beat(world, epoch=-1, member="n").member_epoch == -1


@pytest.mark.semantics("64e")
def test_commits_and_reads_carry_the_member_epoch(world: World) -> None:
    beat(world)

    def commit(epoch: int, member: str = "m", version: int = 9) -> int:
        row = OffsetCommitRequestPartition(0, committed_offset=5)
        topics = [OffsetCommitRequestTopic("t", partitions=[row])]
        request = OffsetCommitRequest("g", epoch, member, topics=topics)
        asked = world.ask(request, version)
        world.executor.run()
        code: int = asked.response().topics[0].partitions[0].error_code
        return code

    assert commit(0) == commit(2) == ErrorCode.STALE_MEMBER_EPOCH
    assert commit(1, "x") == commit(-1, "") == ErrorCode.UNKNOWN_MEMBER_ID
    assert commit(1, version=8) == ErrorCode.UNSUPPORTED_VERSION
    assert commit(1) == 0

    def fetch(member: str | None, epoch: int) -> int:
        group = OffsetFetchRequestGroup("g", member, epoch, topics=None)
        code: int = world.ask(OffsetFetchRequest(groups=[group]), 9).response().groups[0].error_code
        return code

    assert fetch("m", 1) == fetch(None, -1) == 0
    assert fetch("m", 3) == ErrorCode.STALE_MEMBER_EPOCH
    assert fetch("x", 1) == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.semantics("64h")
def test_without_the_feature_there_are_no_such_groups(world: World) -> None:
    update = UpdateFeaturesRequestFeature("group.version", 0, upgrade_type=SAFE_DOWNGRADE)
    world.ask(UpdateFeaturesRequest(feature_updates=[update]), 1)
    world.settle()
    assert beat(world).error_code == ErrorCode.UNSUPPORTED_VERSION
