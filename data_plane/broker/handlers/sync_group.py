"""SyncGroup (key 14) v0-5. v3: static members (KIP-345). v4: flexible. v5: protocol (KIP-559).

Answered when the leader has brought the assignment, each member with its own bytes.
"""

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GroupBroker, allows_group
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 14, range(6)


def handle(
    broker: GroupBroker, ctx: RequestContext, request: SyncGroupRequest
) -> SyncGroupResponse | Parked:
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return SyncGroupResponse(error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    shard = broker.group_shard(request.group_id)
    parked = Parked()
    decision = shard.decide_sync_group(request, now_ms=ctx.now_ms, token=parked)
    broker.commit(shard, decision)
    return parked
