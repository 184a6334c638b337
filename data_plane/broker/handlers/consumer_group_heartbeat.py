"""ConsumerGroupHeartbeat (key 68) v0-1. v1: topic expressions, member ids made by clients
(KIP-1082).
"""

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GROUP_VERSION, GroupBroker, allows_group, allows_topic
from data_plane.coordinator.consumer_group import JOINING
from data_plane.coordinator.consumer_heartbeat import Heartbeat
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 68, range(2)

CLIENTS_NAME_THEMSELVES_FROM = 1


def handle(
    broker: GroupBroker, ctx: RequestContext, request: ConsumerGroupHeartbeatRequest
) -> ConsumerGroupHeartbeatResponse | Parked:
    if broker.image.features.get(GROUP_VERSION, 0) < 1:
        return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    if not allows_group(broker, ctx, AclOperation.READ, request.group_id):
        return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)

    def may_describe(topic: str) -> bool:
        return allows_topic(broker, ctx, AclOperation.DESCRIBE, topic)

    if not all(map(may_describe, request.subscribed_topic_names or ())):
        return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    names_itself = ctx.api_version >= CLIENTS_NAME_THEMSELVES_FROM
    if not request.member_id and (names_itself or request.member_epoch != JOINING):
        return ConsumerGroupHeartbeatResponse(
            error_code=ErrorCode.INVALID_REQUEST, error_message="MemberId can't be empty."
        )
    shard = broker.group_shard(request.group_id)
    heartbeat = Heartbeat(
        request=request,
        member_id=request.member_id or shard.new_member_id(),
        client_id=ctx.client_id or "",
        client_host=ctx.client_host,
        image=broker.image,
        may_describe=may_describe,
        now_ms=ctx.now_ms,
    )
    return broker.commit(shard, shard.decide_consumer_heartbeat(heartbeat))
