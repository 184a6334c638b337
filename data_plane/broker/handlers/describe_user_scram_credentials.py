"""DescribeUserScramCredentials (key 50) v0, flexible. (KIP-554)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.scram_credentials import described_scram_credentials
from data_plane.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
)
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 50, range(1)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DescribeUserScramCredentialsRequest
) -> DescribeUserScramCredentialsResponse:
    """Mechanisms and iterations, never keys. Raises ClusterAuthorizationFailed."""
    require_cluster(broker, ctx, AclOperation.DESCRIBE)
    names = [user.name for user in request.users or ()]
    return DescribeUserScramCredentialsResponse(
        results=described_scram_credentials(broker.image, names)
    )
