"""DescribeGroups (key 15) v0-6. v3: authorized operations (KIP-430). v4: static members.
v5: flexible. v6: GROUP_ID_NOT_FOUND instead of a Dead group (KIP-1043).
"""

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import gather
from data_plane.broker.group_access import GroupBroker, allows_group, decide_in_shard
from data_plane.coordinator.classic_group import ClassicGroup
from data_plane.coordinator.classic_member import GroupState, Member
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.describe_groups import (
    OPERATIONS_UNKNOWN,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    DescribeGroupsResponseGroup,
    DescribeGroupsResponseMember,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType

API_KEY, VERSIONS = 15, range(7)

Row = DescribeGroupsResponseGroup


def handle(
    broker: GroupBroker, ctx: RequestContext, request: DescribeGroupsRequest
) -> DescribeGroupsResponse | Parked:
    asks = request.include_authorized_operations
    parts = [_describe(broker, ctx, group_id, asks) for group_id in request.groups]
    return gather(
        parts,
        lambda rows: DescribeGroupsResponse(
            groups=[
                _failed(group_id, row.code, row.message) if isinstance(row, KafkaError) else row
                for group_id, row in zip(request.groups, rows, strict=True)
            ]
        ),
    )


def _describe(
    broker: GroupBroker, ctx: RequestContext, group_id: str, asks_operations: bool
) -> Row | KafkaError | Parked:
    if not allows_group(broker, ctx, AclOperation.DESCRIBE, group_id):
        return KafkaError(code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    operations = OPERATIONS_UNKNOWN
    if asks_operations:
        operations = broker.authorizer.authorized_operations(
            ctx.principal, ResourceType.GROUP, group_id, ctx.client_host
        )
    return decide_in_shard(
        broker,
        group_id,
        lambda shard: Decision(
            _row(shard.groups.get(group_id), group_id, ctx.api_version, operations)
        ),
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
