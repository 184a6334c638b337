"""DescribeGroups, ListGroups and DeleteGroups at every version."""

from typing import Any

import pytest

from data_plane.protocol.errors import CoordinatorLoadInProgress, ErrorCode
from data_plane.protocol.messages.delete_groups import DeleteGroupsRequest
from data_plane.protocol.messages.describe_groups import OPERATIONS_UNKNOWN, DescribeGroupsRequest
from data_plane.protocol.messages.list_groups import ListGroupsRequest
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE
from tests.unit.data_plane.broker.handlers.group_broker import GroupStandIn
from tests.unit.data_plane.broker.handlers.test_group_membership import joined, syncing
from tests.unit.data_plane.broker.handlers.test_group_offsets import committing

NONE = ErrorCode.NONE


def stable_group(broker: GroupStandIn, group: str = "g") -> str:
    """One member that owns all; its member id."""
    answer = joined(broker, group=group)
    broker.send(syncing(answer, group), 5)
    member_id: str = answer.member_id
    return member_id


@pytest.mark.parametrize("version", range(7))
def test_describe_a_stable_group(version: int) -> None:
    broker = GroupStandIn()
    member_id = stable_group(broker)
    (group,) = broker.send(DescribeGroupsRequest(["g"]), version).groups
    assert (group.error_code, group.group_state) == (NONE, "Stable")
    assert (group.protocol_type, group.protocol_data) == ("consumer", "range")
    (member,) = group.members
    assert (member.member_id, member.client_id) == (member_id, "test")
    assert member.client_host == "/10.0.0.9"
    assert (member.member_metadata, member.member_assignment) == (b"topics", b"all")


@pytest.mark.semantics("59b")
@pytest.mark.parametrize("version", range(7))
def test_an_unknown_group_is_dead_and_from_v6_on_an_error(version: int) -> None:
    (group,) = GroupStandIn().send(DescribeGroupsRequest(["ghost"]), version).groups
    assert group.group_state == "Dead"
    assert group.error_code == (ErrorCode.GROUP_ID_NOT_FOUND if version >= 6 else NONE)
    assert group.error_message == ("Group ghost not found." if version >= 6 else None)


def test_while_members_gather_no_assignment_is_shown() -> None:
    broker = GroupStandIn()
    joined(broker)  # joined and not synced
    (group,) = broker.send(DescribeGroupsRequest(["g"]), 5).groups
    assert (group.group_state, group.protocol_data) == ("CompletingRebalance", "")
    assert [member.member_assignment for member in group.members] == [b""]


def test_each_described_group_has_its_own_error() -> None:
    broker = GroupStandIn()
    stable_group(broker)
    broker.unavailable["h"] = CoordinatorLoadInProgress()
    broker.allow(AclOperation.DESCRIBE, "g", kind=ResourceType.GROUP)
    broker.allow(AclOperation.DESCRIBE, "h", kind=ResourceType.GROUP)
    answer = broker.send(DescribeGroupsRequest(["h", "g", "x"]), 5, principal=ALICE)
    assert [(row.group_id, row.error_code) for row in answer.groups] == [
        ("h", ErrorCode.COORDINATOR_LOAD_IN_PROGRESS),
        ("g", NONE),
        ("x", ErrorCode.GROUP_AUTHORIZATION_FAILED),
    ]


@pytest.mark.semantics("92a")
def test_authorized_operations_only_when_asked() -> None:
    broker = GroupStandIn()
    stable_group(broker)
    broker.allow(AclOperation.READ, "g", kind=ResourceType.GROUP)
    silent = broker.send(DescribeGroupsRequest(["g"]), 5, principal=ALICE)
    assert silent.groups[0].authorized_operations == OPERATIONS_UNKNOWN
    asked = broker.send(DescribeGroupsRequest(["g"], True), 5, principal=ALICE)
    expected = 1 << AclOperation.READ | 1 << AclOperation.DESCRIBE
    assert asked.groups[0].authorized_operations == expected


@pytest.mark.parametrize("version", range(6))
def test_list_at_every_version(version: int) -> None:
    broker = GroupStandIn()
    stable_group(broker)
    broker.send(committing({("t", 0): 1}, group="h"), 8)
    rows = {row.group_id: row for row in broker.send(ListGroupsRequest(), version).groups}
    assert {name: row.protocol_type for name, row in rows.items()} == {"g": "consumer", "h": ""}
    assert rows["g"].group_state == ("Stable" if version >= 4 else "")
    assert rows["h"].group_state == ("Empty" if version >= 4 else "")
    assert rows["g"].group_type == ("classic" if version >= 5 else "")


@pytest.mark.parametrize(
    ("states", "types", "expected"),
    [
        (["stable"], [], ["g"]),
        (["Empty", "Dead"], [], ["h"]),
        (["NoSuchState"], [], []),
        ([], ["Classic"], ["g", "h"]),
        ([], ["consumer"], []),
    ],
)
def test_list_filters(states: list[str], types: list[str], expected: list[str]) -> None:
    broker = GroupStandIn()
    stable_group(broker)
    broker.send(committing({("t", 0): 1}, group="h"), 8)
    answer = broker.send(ListGroupsRequest(states, types), 5)
    assert sorted(row.group_id for row in answer.groups) == expected


def test_list_hides_what_may_not_be_described() -> None:
    broker = GroupStandIn()
    for group in ("g", "h"):
        stable_group(broker, group)

    def visible() -> list[str]:
        answer: Any = broker.send(ListGroupsRequest(), 5, principal=ALICE)
        assert answer.error_code == NONE
        return sorted(row.group_id for row in answer.groups)

    assert visible() == []
    broker.allow(AclOperation.DESCRIBE, "h", kind=ResourceType.GROUP)
    assert visible() == ["h"]
    broker.allow_cluster(AclOperation.DESCRIBE)
    assert visible() == ["g", "h"]


def test_a_list_waits_for_every_shard_and_fails_with_one() -> None:
    broker = GroupStandIn()
    broker.is_holding = True
    parked = broker.send(ListGroupsRequest(), 5)
    assert isinstance(parked, Parked)
    broker.release(is_kept=False)
    assert broker.answer_of(parked, 16, 5).error_code == ErrorCode.NOT_COORDINATOR


@pytest.mark.parametrize("version", range(3))
def test_delete_at_every_version(version: int) -> None:
    broker = GroupStandIn()
    stable_group(broker)
    broker.send(committing({("t", 0): 1}, group="h"), 8)
    answer = broker.send(DeleteGroupsRequest(["g", "h", "ghost"]), version)
    assert {row.group_id: row.error_code for row in answer.results} == {
        "g": ErrorCode.NON_EMPTY_GROUP,
        "h": NONE,
        "ghost": ErrorCode.GROUP_ID_NOT_FOUND,
    }
    (row,) = broker.send(DescribeGroupsRequest(["h"]), 5).groups
    assert row.group_state == "Dead"


def test_delete_needs_delete_on_the_group() -> None:
    broker = GroupStandIn()
    broker.send(committing({("t", 0): 1}, group="h"), 8)
    broker.allow(AclOperation.READ, "h", kind=ResourceType.GROUP)
    (row,) = broker.send(DeleteGroupsRequest(["h"]), 2, principal=ALICE).results
    assert row.error_code == ErrorCode.GROUP_AUTHORIZATION_FAILED
    broker.allow(AclOperation.DELETE, "h", kind=ResourceType.GROUP)
    (row,) = broker.send(DeleteGroupsRequest(["h"]), 2, principal=ALICE).results
    assert row.error_code == NONE
