"""DescribeCluster (key 60) v0-1, flexible. v1: endpoint type (KIP-919)."""

from data_plane.broker.admin_access import AdminBroker, cluster_operations
from data_plane.broker.context import RequestContext
from data_plane.broker.metadata_rows import shown_brokers, shown_controller
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.describe_cluster import (
    BROKERS,
    CONTROLLERS,
    OPERATIONS_UNKNOWN,
    DescribeClusterRequest,
    DescribeClusterResponse,
    DescribeClusterResponseBroker,
)

API_KEY, VERSIONS = 60, range(2)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DescribeClusterRequest
) -> DescribeClusterResponse:
    if request.endpoint_type != BROKERS:
        code = (
            ErrorCode.MISMATCHED_ENDPOINT_TYPE
            if request.endpoint_type == CONTROLLERS
            else ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
        )
        return DescribeClusterResponse(
            error_code=code, error_message="This is a broker.", endpoint_type=request.endpoint_type
        )
    own_id = broker.config.broker_id
    brokers = [
        DescribeClusterResponseBroker(
            each.broker_id, listener.host, listener.port, each.rack or None
        )
        for each, listener in shown_brokers(broker.image, ctx.listener, own_id)
    ]
    return DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=shown_controller(
            [each.broker_id for each in brokers], broker.controller_id, own_id
        ),
        brokers=brokers,
        cluster_authorized_operations=(
            cluster_operations(broker, ctx)
            if request.include_cluster_authorized_operations
            else OPERATIONS_UNKNOWN
        ),
    )
