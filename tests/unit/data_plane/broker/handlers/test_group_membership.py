"""JoinGroup, SyncGroup, Heartbeat and LeaveGroup at every version, as clients of each see them."""

from typing import Any

import pytest

from data_plane.broker.handlers import handler
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import CoordinatorLoadInProgress, ErrorCode, NotCoordinator
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from data_plane.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupRequestMember
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE
from tests.unit.data_plane.broker.handlers.group_broker import GroupStandIn

FORBIDDEN = ErrorCode.GROUP_AUTHORIZATION_FAILED


def joining(member_id: str = "", group: str = "g", instance: str | None = None) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=group,
        session_timeout_ms=10_000,
        rebalance_timeout_ms=30_000,
        member_id=member_id,
        group_instance_id=instance,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol("range", b"topics")],
    )


def joined(broker: GroupStandIn, version: int = 9, group: str = "g") -> Any:
    """The answer to a new member's joining, by two requests where the version asks for them."""
    answer = broker.send(joining(group=group), version)
    if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
        answer = broker.send(joining(answer.member_id, group), version)
    return answer


def syncing(answer: Any, group: str = "g") -> SyncGroupRequest:
    """The leader's SyncGroup, as the whole assignment for itself."""
    return SyncGroupRequest(
        group_id=group,
        generation_id=answer.generation_id,
        member_id=answer.member_id,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[SyncGroupRequestAssignment(answer.member_id, b"all")],
    )


@pytest.mark.parametrize("key", [8, 9, 10, 11, 12, 13, 14, 15, 16, 42, 47])
def test_what_is_advertised_is_what_the_handler_says(key: int) -> None:
    module = handler(key)
    assert key == module.API_KEY
    assert API_KEYS[key].versions == module.VERSIONS


@pytest.mark.semantics("50a", "50c")
@pytest.mark.parametrize("version", range(10))
def test_join_at_every_version(version: int) -> None:
    answer = joined(GroupStandIn(), version)
    assert answer.error_code == ErrorCode.NONE
    assert (answer.generation_id, answer.protocol_name) == (1, "range")
    assert answer.leader == answer.member_id
    assert [member.metadata for member in answer.members] == [b"topics"]
    assert answer.protocol_type == ("consumer" if version >= 7 else None)


@pytest.mark.parametrize("version", range(10))
def test_a_refused_join_can_be_told_at_every_version(version: int) -> None:
    """protocol_name may be null from v7 on only; the refusal must fit them all."""
    answer = GroupStandIn().send(joining("ghost"), version)
    assert answer.error_code == ErrorCode.UNKNOWN_MEMBER_ID
    answer = GroupStandIn().send(joining(group=""), version)
    assert answer.error_code == ErrorCode.INVALID_GROUP_ID


@pytest.mark.semantics("54d", "55b")
@pytest.mark.parametrize("version", range(6))
def test_sync_at_every_version(version: int) -> None:
    broker = GroupStandIn()
    answer = broker.send(syncing(joined(broker)), version)
    assert (answer.error_code, answer.assignment) == (ErrorCode.NONE, b"all")
    assert answer.protocol_name == ("range" if version >= 5 else None)
    unknown = broker.send(
        syncing(JoinGroupResponse(generation_id=1, member_id="m"), "ghost"), version
    )
    assert unknown.error_code == ErrorCode.UNKNOWN_MEMBER_ID
    silent = broker.send(SyncGroupRequest("g", 1, "m"), version)
    assert silent.error_code == (
        ErrorCode.INCONSISTENT_GROUP_PROTOCOL if version >= 5 else ErrorCode.UNKNOWN_MEMBER_ID
    ), "from v5 on a member names the protocol, whoever it is"


@pytest.mark.parametrize("version", range(5))
def test_heartbeat_at_every_version(version: int) -> None:
    broker = GroupStandIn()
    member = joined(broker).member_id
    codes = [
        broker.send(HeartbeatRequest(*asked), version).error_code
        for asked in [("g", 1, member), ("g", 2, member), ("ghost", 1, member), ("", 1, member)]
    ]
    assert codes == [
        *(ErrorCode.NONE, ErrorCode.ILLEGAL_GENERATION),
        *(ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.INVALID_GROUP_ID),
    ]


@pytest.mark.semantics("58d")
@pytest.mark.parametrize("version", range(6))
def test_leave_at_every_version(version: int) -> None:
    """One member before v3, whose code is the answer's; a batch with a code each from then on."""
    broker = GroupStandIn()
    member = joined(broker).member_id
    asked = [LeaveGroupRequestMember(member), LeaveGroupRequestMember("ghost")]
    answer = broker.send(LeaveGroupRequest("g", member, asked), version)
    assert answer.error_code == ErrorCode.NONE
    expected = [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID] if version >= 3 else []
    assert [row.error_code for row in answer.members] == expected
    again = broker.send(LeaveGroupRequest("g", member, asked[:1]), version)
    codes = [again.error_code] if version < 3 else [row.error_code for row in again.members]
    assert codes == [ErrorCode.UNKNOWN_MEMBER_ID]


@pytest.mark.semantics("58d")
def test_an_operator_removes_a_static_member_by_its_name() -> None:
    broker = GroupStandIn()
    broker.send(joining(instance="i1"), 9)
    answer = broker.send(LeaveGroupRequest("g", "", [LeaveGroupRequestMember("", "i1")]), 5)
    assert [(row.group_instance_id, row.error_code) for row in answer.members] == [("i1", 0)]


def test_nothing_leaves_before_it_is_committed() -> None:
    broker = GroupStandIn()
    answer = joined(broker)
    broker.is_holding = True
    parked = broker.send(syncing(answer), 5)
    beat = broker.send(HeartbeatRequest("g", 1, answer.member_id), 4)
    assert isinstance(parked, Parked)
    assert isinstance(beat, Parked)
    broker.release()
    assert broker.answer_of(parked, 14, 5).assignment == b"all"
    assert broker.answer_of(beat, 12, 4).error_code == ErrorCode.NONE


def test_what_was_not_kept_sends_clients_to_look_for_the_coordinator() -> None:
    broker = GroupStandIn()
    answer = joined(broker)
    broker.is_holding = True
    parked = broker.send(syncing(answer), 5)
    broker.release(is_kept=False)
    assert isinstance(broker.answer_of(parked, 14, 5), NotCoordinator)


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        (joining(), 9),
        (SyncGroupRequest("g", 1, "m"), 4),
        (HeartbeatRequest("g", 1, "m"), 4),
        (LeaveGroupRequest("g", "m", [LeaveGroupRequestMember("m")]), 5),
    ],
    ids=["join", "sync", "heartbeat", "leave"],
)
def test_members_need_read_on_the_group(request_: Any, version: int) -> None:
    broker = GroupStandIn()
    broker.allow(AclOperation.DESCRIBE, "g", kind=ResourceType.GROUP)
    assert broker.send(request_, version, principal=ALICE).error_code == FORBIDDEN
    broker.allow(AclOperation.READ, "g", kind=ResourceType.GROUP)
    assert broker.send(request_, version, principal=ALICE).error_code != FORBIDDEN


def test_a_loading_shard_is_an_error_for_the_dispatcher() -> None:
    broker = GroupStandIn()
    broker.unavailable["g"] = CoordinatorLoadInProgress()
    with pytest.raises(CoordinatorLoadInProgress):
        broker.send(joining(), 9)
