"""OffsetDelete (key 47) v0: forget committed offsets of topics nobody in the group consumes.

KIP-496. The group needs DELETE, each topic READ.
"""

from data_plane.broker.context import RequestContext
from data_plane.broker.group_access import GroupBroker, allows_group, allows_topic
from data_plane.coordinator.offsets import TopicPartition
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 47, range(1)


def handle(
    broker: GroupBroker, ctx: RequestContext, request: OffsetDeleteRequest
) -> OffsetDeleteResponse | Parked:
    if not allows_group(broker, ctx, AclOperation.DELETE, request.group_id):
        return OffsetDeleteResponse(error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    if not request.group_id:
        return OffsetDeleteResponse(error_code=ErrorCode.INVALID_GROUP_ID)
    shard = broker.group_shard(request.group_id)
    codes = _refusals(broker, ctx, request)
    wanted = [at for at, code in codes.items() if code is ErrorCode.NONE]
    decision = shard.decide_delete_offsets(request.group_id, wanted)
    group_code, decided = decision.response
    if group_code is not ErrorCode.NONE:
        return broker.commit(shard, Decision(OffsetDeleteResponse(error_code=group_code)))
    codes.update(zip(wanted, decided, strict=True))
    return broker.commit(shard, Decision(_response(request, codes), decision.records))


def _refusals(
    broker: GroupBroker, ctx: RequestContext, request: OffsetDeleteRequest
) -> dict[TopicPartition, ErrorCode]:
    """What stands against each partition, before the group is asked."""
    codes: dict[TopicPartition, ErrorCode] = {}
    for topic in request.topics:
        is_allowed = allows_topic(broker, ctx, AclOperation.READ, topic.name)
        for partition in topic.partitions:
            at = (topic.name, partition.partition_index)
            if not is_allowed:
                codes[at] = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            elif broker.image.partition(*at) is None:
                codes[at] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
                codes[at] = ErrorCode.NONE
    return codes


def _response(
    request: OffsetDeleteRequest, codes: dict[TopicPartition, ErrorCode]
) -> OffsetDeleteResponse:
    return OffsetDeleteResponse(
        topics=[
            OffsetDeleteResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetDeleteResponsePartition(
                        p.partition_index, codes[topic.name, p.partition_index]
                    )
                    for p in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
