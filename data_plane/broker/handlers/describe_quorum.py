"""DescribeQuorum (key 55) v0-2, flexible. v1: fetch times. v2: directory ids, nodes. (KIP-595)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.broker.metadata_rows import listener_of
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, NotController
from data_plane.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    DescribeQuorumResponseListener,
    DescribeQuorumResponseNode,
    DescribeQuorumResponsePartition,
    DescribeQuorumResponseReplica,
    DescribeQuorumResponseTopic,
)
from data_plane.raft.entries import NO_DIRECTORY
from data_plane.raft.node import NotLeader
from data_plane.raft.view import QuorumView, ReplicaView, view_of
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 55, range(3)

METADATA_TOPIC, METADATA_PARTITION = "__cluster_metadata", 0


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DescribeQuorumRequest
) -> DescribeQuorumResponse | Parked:
    """DESCRIBE on the cluster is needed. Raises ClusterAuthorizationFailed, or NotController

    where the quorum's leader is another broker: only that one knows how far the others are.
    """
    require_cluster(broker, ctx, AclOperation.DESCRIBE)

    def choose(controller: Controller) -> Decision[DescribeQuorumResponse]:
        try:
            view = view_of(controller.node)
        except NotLeader as error:
            raise NotController from error
        topics = [
            DescribeQuorumResponseTopic(
                topic.topic_name,
                [
                    _partition(view, controller.image, topic.topic_name, one.partition_index, ctx)
                    for one in topic.partitions
                ],
            )
            for topic in request.topics
        ]
        return Decision(DescribeQuorumResponse(topics=topics, nodes=_nodes(view, controller, ctx)))

    return broker.decide(choose)


def _partition(
    view: QuorumView, image: MetadataImage, topic: str, index: int, ctx: RequestContext
) -> DescribeQuorumResponsePartition:
    if (topic, index) != (METADATA_TOPIC, METADATA_PARTITION):
        return DescribeQuorumResponsePartition(
            index,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            f"Only {METADATA_TOPIC} has a quorum.",
        )
    return DescribeQuorumResponsePartition(
        index,
        leader_id=view.leader_id,
        leader_epoch=view.term,
        high_watermark=view.high_watermark,
        current_voters=[_replica(one, image, ctx) for one in view.voters],
        observers=[_replica(one, image, ctx) for one in view.observers],
    )


def _replica(
    one: ReplicaView, image: MetadataImage, ctx: RequestContext
) -> DescribeQuorumResponseReplica:
    """A quorum that never had a second voter does not name directories; the registration does."""
    registered = image.brokers.get(one.key.id)
    directory_id = one.key.directory_id
    if directory_id == NO_DIRECTORY and registered is not None:
        directory_id = registered.directory_id
    return DescribeQuorumResponseReplica(
        one.key.id,
        directory_id,
        one.end_offset,
        last_fetch_timestamp=_time(ctx, one.heard_ms),
        last_caught_up_timestamp=_time(ctx, one.caught_up_ms),
    )


def _time(ctx: RequestContext, ms_ago: int) -> int:
    """Unix milliseconds, -1 for never, as Kafka has it."""
    return -1 if ms_ago < 0 else ctx.now_ms - ms_ago


def _nodes(
    view: QuorumView, controller: Controller, ctx: RequestContext
) -> list[DescribeQuorumResponseNode]:
    """Where clients reach the voters, by the listener they came by; others are none of theirs."""
    nodes = []
    for voter in view.voters:
        registered = controller.image.brokers.get(voter.key.id)
        listener = None if registered is None else listener_of(registered, ctx.listener)
        listeners = (
            []
            if listener is None
            else [DescribeQuorumResponseListener(listener.name, listener.host, listener.port)]
        )
        nodes.append(DescribeQuorumResponseNode(voter.key.id, listeners))
    return nodes
