"""LeaveGroup (key 13) v0-5. v3: several members, static ones by instance id (KIP-345).
v4: flexible. v5: reason (KIP-800).
"""

from collections.abc import Sequence

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GroupBroker, allows_group
from data_plane.coordinator.classic_sync import Leaving
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    LeaveGroupResponseMember,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 13, range(6)


def handle(
    broker: GroupBroker, ctx: RequestContext, request: LeaveGroupRequest
) -> LeaveGroupResponse | Parked:
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return LeaveGroupResponse(error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    if not request.group_id:
        return LeaveGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID)
    leaving = [Leaving(member.member_id, member.group_instance_id) for member in request.members]
    if ctx.api_version < 3:
        leaving = [Leaving(request.member_id)]
    shard = broker.group_shard(request.group_id)
    decision = shard.decide_leave_group(request.group_id, leaving, now_ms=ctx.now_ms)
    response = _response(ctx.api_version, leaving, decision.response)
    return broker.commit(shard, decision.answering(response))


def _response(
    version: int, leaving: Sequence[Leaving], codes: Sequence[ErrorCode]
) -> LeaveGroupResponse:
    """Before v3 the one member's code is the response's; from then on each has its own."""
    if version < 3:
        return LeaveGroupResponse(error_code=codes[0])
    return LeaveGroupResponse(
        members=[
            LeaveGroupResponseMember(who.member_id, who.instance_id, code)
            for who, code in zip(leaving, codes, strict=True)
        ]
    )
