"""Heartbeat (key 12) v0-4. v1: throttle time. v3: static members (KIP-345). v4: flexible."""

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GroupBroker, allows_group
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 12, range(5)


def handle(
    broker: GroupBroker, ctx: RequestContext, request: HeartbeatRequest
) -> HeartbeatResponse | Parked:
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return HeartbeatResponse(error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    shard = broker.group_shard(request.group_id)
    return broker.commit(shard, shard.decide_heartbeat(request, now_ms=ctx.now_ms))
