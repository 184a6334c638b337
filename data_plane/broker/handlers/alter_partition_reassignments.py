"""AlterPartitionReassignments (key 45) v0-1, flexible. v1: replica count. (KIP-455, KIP-860)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.reassignments import decide_alter_reassignments
from data_plane.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 45, range(2)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse | Parked:
    """ALTER on the cluster is needed. Raises ClusterAuthorizationFailed."""
    require_cluster(broker, ctx, AclOperation.ALTER)

    def choose(controller: Controller) -> Decision[AlterPartitionReassignmentsResponse]:
        decision = decide_alter_reassignments(
            controller.scope,
            request.topics,
            may_change_count=request.allow_replication_factor_change,
        )
        return decision.answering(
            AlterPartitionReassignmentsResponse(
                allow_replication_factor_change=request.allow_replication_factor_change,
                responses=decision.response,
            )
        )

    return broker.decide(choose)
