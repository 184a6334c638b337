"""ListPartitionReassignments (key 46) v0, flexible. (KIP-455)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 46, range(1)


def handle(
    broker: AdminBroker, ctx: RequestContext, _request: ListPartitionReassignmentsRequest
) -> ListPartitionReassignmentsResponse:
    """Nothing moves, for nothing can be moved yet (metadata/reassignments.py).

    Raises ClusterAuthorizationFailed.
    """
    require_cluster(broker, ctx, AclOperation.DESCRIBE)
    return ListPartitionReassignmentsResponse()
