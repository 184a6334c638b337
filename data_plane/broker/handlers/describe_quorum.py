"""DescribeQuorum (key 55) v0-2, flexible. v1: fetch times. v2: directory ids, nodes. (KIP-595)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.broker.metadata_rows import listener_of
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    DescribeQuorumResponseListener,
    DescribeQuorumResponseNode,
    DescribeQuorumResponsePartition,
    DescribeQuorumResponseReplica,
    DescribeQuorumResponseTopic,
)
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 55, range(3)

METADATA_TOPIC, METADATA_PARTITION = "__cluster_metadata", 0


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DescribeQuorumRequest
) -> DescribeQuorumResponse:
    """DESCRIBE on the cluster is needed. Raises ClusterAuthorizationFailed."""
    require_cluster(broker, ctx, AclOperation.DESCRIBE)
    return DescribeQuorumResponse(
        topics=[
            DescribeQuorumResponseTopic(
                topic.topic_name,
                [
                    _partition(broker, ctx, topic.topic_name, partition.partition_index)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
        nodes=_nodes(broker, ctx),
    )


def _partition(
    broker: AdminBroker, ctx: RequestContext, topic: str, index: int
) -> DescribeQuorumResponsePartition:
    if (topic, index) != (METADATA_TOPIC, METADATA_PARTITION):
        return DescribeQuorumResponsePartition(
            index,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            f"Only {METADATA_TOPIC} has a quorum.",
        )
    controller = broker.controller
    leader_id = controller.leader_id
    return DescribeQuorumResponsePartition(
        index,
        leader_id=-1 if leader_id is None else leader_id,
        leader_epoch=broker.image.term,
        high_watermark=broker.image.offset + 1,
        current_voters=[_voter(broker, ctx)],
    )


def _voter(broker: AdminBroker, ctx: RequestContext) -> DescribeQuorumResponseReplica:
    """The one voter, which is this broker: it is never behind itself."""
    own = broker.image.brokers[broker.config.broker_id]
    return DescribeQuorumResponseReplica(
        own.broker_id,
        own.directory_id,
        broker.controller.next_offset,
        last_fetch_timestamp=ctx.now_ms,
        last_caught_up_timestamp=ctx.now_ms,
    )


def _nodes(broker: AdminBroker, ctx: RequestContext) -> list[DescribeQuorumResponseNode]:
    own = broker.image.brokers[broker.config.broker_id]
    listener = listener_of(own, ctx.listener)
    listeners = (
        []
        if listener is None
        else [DescribeQuorumResponseListener(listener.name, listener.host, listener.port)]
    )
    return [DescribeQuorumResponseNode(own.broker_id, listeners)]
