"""DescribeClientQuotas (key 48) v0-1. v1: flexible. (KIP-546)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.client_quotas import described_client_quotas
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.describe_client_quotas import (
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
)
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 48, range(2)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DescribeClientQuotasRequest
) -> DescribeClientQuotasResponse:
    """Raises ClusterAuthorizationFailed, InvalidRequest, UnsupportedVersion."""
    require_cluster(broker, ctx, AclOperation.DESCRIBE_CONFIGS)
    return DescribeClientQuotasResponse(
        entries=described_client_quotas(broker.image, request.components, strict=request.strict)
    )


def error_response(
    _request: DescribeClientQuotasRequest, error: KafkaError
) -> DescribeClientQuotasResponse:
    return DescribeClientQuotasResponse(
        error_code=error.code, error_message=error.message, entries=None
    )
