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

PROTOCOL_FROM = 5  # From then on a member says what it believes was chosen (KIP-559).


def handle(
    broker: GroupBroker, ctx: RequestContext, request: SyncGroupRequest
) -> SyncGroupResponse | Parked:
    has_protocol = request.protocol_type is not None and request.protocol_name is not None
    if ctx.api_version >= PROTOCOL_FROM and not has_protocol:
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return SyncGroupResponse(error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    shard = broker.group_shard(request.group_id)
    parked = Parked()
    decision = shard.decide_sync_group(request, now_ms=ctx.now_ms, token=parked)
    broker.commit(shard, decision)
    return parked
