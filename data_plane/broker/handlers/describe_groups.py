"""DescribeGroups (key 15) v0-6. v3: authorized operations (KIP-430). v4: static members.
v5: flexible. v6: GROUP_ID_NOT_FOUND instead of a Dead group (KIP-1043).
"""

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GroupBroker
from data_plane.broker.group_descriptions import describe_groups, group_operations
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.classic_member import GroupState, Member
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.describe_groups import (
    OPERATIONS_UNKNOWN,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    DescribeGroupsResponseGroup,
    DescribeGroupsResponseMember,
)
from data_plane.replication.waiting import Parked

API_KEY, VERSIONS = 15, range(7)

Row = DescribeGroupsResponseGroup


def handle(
    broker: GroupBroker, ctx: RequestContext, request: DescribeGroupsRequest
) -> DescribeGroupsResponse | Parked:
    def row_of(shard: GroupsShard, group_id: str) -> Row:
        operations = OPERATIONS_UNKNOWN
        if request.include_authorized_operations:
            operations = group_operations(broker, ctx, group_id)
        return _row(shard.groups.get(group_id), group_id, ctx.api_version, operations)

    return describe_groups(
        broker,
        ctx,
        request.groups,
        row_of,
        _failed,
        lambda rows: DescribeGroupsResponse(groups=rows),
    )


def _row(group: ClassicGroup | None, group_id: str, version: int, operations: int) -> Row:
    if group is None:
        if version >= 6:
            return _failed(group_id, ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} not found.")
        return Row(group_id=group_id, group_state=GroupState.DEAD, authorized_operations=operations)
    return Row(
        group_id=group_id,
        group_state=group.state,
        protocol_type=group.protocol_type or "",
        # While members gather there is no agreed protocol, nor an assignment to speak of.
        protocol_data=(group.protocol_name or "") if group.is_in(GroupState.STABLE) else "",
        members=[_member(group, member) for member in group.members.values()],
        authorized_operations=operations,
    )


def _member(group: ClassicGroup, member: Member) -> DescribeGroupsResponseMember:
    is_stable = group.is_in(GroupState.STABLE)
    return DescribeGroupsResponseMember(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        # Kafka shows a host with a leading slash, and tools cut it off.
        client_host=f"/{member.client_host}",
        member_metadata=member.metadata_for(group.protocol_name) if is_stable else b"",
        member_assignment=member.assignment if is_stable else b"",
    )


def _failed(group_id: str, code: ErrorCode, message: str) -> Row:
    return Row(
        error_code=code, error_message=message, group_id=group_id, group_state=GroupState.DEAD
    )
