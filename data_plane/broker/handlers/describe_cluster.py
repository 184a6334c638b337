"""DescribeCluster (key 60) v0-1, flexible. v1: endpoint type (KIP-919)."""

from data_plane.broker.admin_access import AdminBroker, cluster_operations
from data_plane.broker.context import RequestContext
from data_plane.broker.metadata_rows import listener_of
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
    controller_id = broker.controller_id
    return DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=-1 if controller_id is None else controller_id,
        brokers=_brokers(broker, ctx),
        cluster_authorized_operations=(
            cluster_operations(broker, ctx)
            if request.include_cluster_authorized_operations
            else OPERATIONS_UNKNOWN
        ),
    )


def _brokers(broker: AdminBroker, ctx: RequestContext) -> list[DescribeClusterResponseBroker]:
    """List brokers at the addresses of the listener that the client came by."""
    return [
        DescribeClusterResponseBroker(
            each.broker_id, listener.host, listener.port, each.rack or None
        )
        for each in broker.image.live_brokers()
        if (listener := listener_of(each, ctx.listener)) is not None
    ]
