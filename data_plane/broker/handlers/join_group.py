"""JoinGroup (key 11) v0-9. v1: rebalance timeout. v4: member id required (KIP-394).
v5: static members (KIP-345). v6: flexible. v7: protocol type. v9: skip assignment (KIP-814).

Answered when the group has gathered: up to the largest rebalance timeout of its members later.
"""

from dataclasses import replace

from data_plane.broker.context import RequestContext
from data_plane.broker.gather import then
from data_plane.broker.group_access import GroupBroker, allows_group
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 11, range(10)

NULL_NAME_FROM = 7


def handle(
    broker: GroupBroker, ctx: RequestContext, request: JoinGroupRequest
) -> JoinGroupResponse | KafkaError | Parked:
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return JoinGroupResponse(
            error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED, member_id=request.member_id
        )
    shard = broker.group_shard(request.group_id)
    parked: Parked = Parked()
    decision = shard.decide_join_group(
        request,
        api_version=ctx.api_version,
        client_id=ctx.client_id or "",
        client_host=ctx.client_host,
        now_ms=ctx.now_ms,
        token=parked,
    )
    broker.commit(shard, decision)
    return then(parked, lambda answer: _in_version(answer, ctx.api_version))


def _in_version(answer: JoinGroupResponse, version: int) -> JoinGroupResponse:
    """Who has no protocol is told null where the version can say so, else an empty name."""
    if version >= NULL_NAME_FROM and answer.error_code and not answer.protocol_name:
        return replace(answer, protocol_name=None)
    return answer
