"""ConsumerGroupDescribe, and how groups of both kinds look to admins."""

from typing import Any

import pytest

from data_plane.broker.group_access import GROUP_VERSION
from data_plane.coordinator.consumer_protocol import INT16, Subscription
from data_plane.metadata.records import FeatureLevelRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_describe import (
    OPERATIONS_UNKNOWN,
    ConsumerGroupDescribeRequest,
)
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopic,
)
from data_plane.protocol.messages.describe_groups import DescribeGroupsRequest
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from data_plane.protocol.messages.list_groups import ListGroupsRequest
from data_plane.protocol.schema import encode
from data_plane.security.acls import AclOperation, ResourceType
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE
from tests.unit.data_plane.broker.handlers.group_broker import GroupStandIn
from tests.unit.data_plane.broker.handlers.test_group_admin import stable_group

SUBSCRIPTION = INT16.pack(1) + encode(Subscription(["t"]), 1)


def heartbeat(
    broker: GroupStandIn, member: str, epoch: int = 0, *names: str, owns: Any = None
) -> Any:
    joins = epoch == 0
    request = ConsumerGroupHeartbeatRequest(
        "g",
        member,
        epoch,
        rebalance_timeout_ms=1_000 if joins else -1,
        subscribed_topic_names=(names or ("t",)) if joins or names else None,
        topic_partitions=[] if joins else owns,
    )
    answer = broker.send(request, 1)
    assert answer.error_code == ErrorCode.NONE
    return answer


def mixed_group() -> GroupStandIn:
    """m speaks the new protocol, k the classic one; both have one partition of t."""
    broker = GroupStandIn()
    broker.write(FeatureLevelRecord(GROUP_VERSION, 1))
    heartbeat(broker, "m")
    protocol = JoinGroupRequestProtocol("range", SUBSCRIPTION)
    join = JoinGroupRequest(
        "g", 10_000, 10_000, "k", protocol_type="consumer", protocols=[protocol]
    )
    assert broker.send(join, 3).error_code == ErrorCode.NONE
    topic_id = broker.image.topics["t"].topic_id
    heartbeat(broker, "m", 1)
    heartbeat(broker, "m", 1, owns=[ConsumerGroupHeartbeatRequestTopic(topic_id, [0])])
    assert broker.send(join, 3).generation_id == 2
    return broker


def described(broker: GroupStandIn, *groups: str, version: int = 1, **more: Any) -> Any:
    return broker.send(ConsumerGroupDescribeRequest(groups or ("g",)), version, **more).groups


@pytest.mark.parametrize("version", range(2))
def test_both_kinds_of_member_are_described(version: int) -> None:
    (group,) = described(mixed_group(), version=version)
    assert (group.error_code, group.group_state) == (ErrorCode.NONE, "Stable")
    assert (group.group_epoch, group.assignment_epoch, group.assignor_name) == (2, 2, "uniform")
    assert group.authorized_operations == OPERATIONS_UNKNOWN
    rows = {member.member_id: member for member in group.members}
    assert {one: row.member_epoch for one, row in rows.items()} == {"m": 2, "k": 2}
    types = {one: row.member_type for one, row in rows.items()}
    assert types == ({"m": 1, "k": 0} if version >= 1 else {"m": -1, "k": -1})
    owned = {
        one: [
            (topic.topic_name, list(topic.partitions)) for topic in row.assignment.topic_partitions
        ]
        for one, row in rows.items()
    }
    assert owned == {"m": [("t", [0])], "k": [("t", [1])]}
    assert [row.assignment == row.target_assignment for row in group.members] == [True, True]


def test_a_group_is_of_one_kind_to_admins() -> None:
    broker = mixed_group()
    stable_group(broker, "h")

    def listed(states: list[str], types: list[str]) -> list[tuple[str, str, str]]:
        answer = broker.send(ListGroupsRequest(states, types), 5)
        return sorted((one.group_id, one.group_type, one.group_state) for one in answer.groups)

    new, classic = ("g", "consumer", "Stable"), ("h", "classic", "Stable")
    assert listed([], []) == [new, classic]
    assert listed([], ["CONSUMER"]) == [new]
    assert listed(["stable"], ["classic"]) == [classic]
    assert listed(["Reconciling"], []) == []
    not_here = ErrorCode.GROUP_ID_NOT_FOUND
    seen = broker.send(DescribeGroupsRequest(["g", "h"]), 6).groups
    assert [row.error_code for row in seen] == [not_here, ErrorCode.NONE]
    seen = broker.send(DescribeGroupsRequest(["g"]), 5).groups
    assert [(row.error_code, row.group_state) for row in seen] == [(ErrorCode.NONE, "Dead")]
    assert [row.error_code for row in described(broker, "h", "nobody")] == [not_here, not_here]


def test_who_may_not_describe_a_topic_of_the_group_sees_nothing_of_it() -> None:
    """DESCRIBE on the group, and on each topic that the answer would name, owned ones included."""
    broker = mixed_group()

    def seen() -> tuple[int, int]:
        (group,) = described(broker, principal=ALICE)
        return group.error_code, len(group.members)

    assert seen() == (ErrorCode.GROUP_AUTHORIZATION_FAILED, 0)
    broker.allow(AclOperation.DESCRIBE, "g", kind=ResourceType.GROUP)
    assert seen() == (ErrorCode.TOPIC_AUTHORIZATION_FAILED, 0)
    broker.allow(AclOperation.DESCRIBE, "t")
    assert seen() == (ErrorCode.NONE, 2)
    # m wants another topic now, and still owns its part of t: both are named.
    heartbeat(broker, "m", 2, "u")
    assert seen() == (ErrorCode.TOPIC_AUTHORIZATION_FAILED, 0)
    broker.allow(AclOperation.DESCRIBE, "u")
    assert seen() == (ErrorCode.NONE, 2)


def test_without_the_feature_there_is_nothing_to_describe() -> None:
    assert [row.error_code for row in described(GroupStandIn())] == [ErrorCode.UNSUPPORTED_VERSION]
