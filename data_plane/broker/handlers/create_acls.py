"""CreateAcls (key 30) v1-3. v1: pattern types (KIP-290). v2: flexible. v3: user resources."""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.acls import decide_create_acls
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.create_acls import (
    CreateAclsRequest,
    CreateAclsResponse,
    CreateAclsResponseResult,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 30, range(1, 4)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: CreateAclsRequest
) -> CreateAclsResponse | Parked:
    """ALTER on the cluster is needed. Raises ClusterAuthorizationFailed."""
    require_cluster(broker, ctx, AclOperation.ALTER)

    def choose(controller: Controller) -> Decision[CreateAclsResponse]:
        decision = decide_create_acls(controller.image, request.creations, new_id=controller.new_id)
        return decision.answering(CreateAclsResponse(results=decision.response))

    return broker.decide(choose)


def error_response(request: CreateAclsRequest, error: KafkaError) -> CreateAclsResponse:
    row = CreateAclsResponseResult(error.code, error.message)
    return CreateAclsResponse(results=[row] * len(request.creations))
