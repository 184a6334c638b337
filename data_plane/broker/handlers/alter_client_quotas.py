"""AlterClientQuotas (key 49) v0-1. v1: flexible. (KIP-546)"""

from data_plane.broker.admin_access import AdminBroker, require_cluster
from data_plane.broker.context import RequestContext
from data_plane.metadata.client_quotas import decide_alter_client_quotas
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasResponse,
    AlterClientQuotasResponseEntity,
    AlterClientQuotasResponseEntry,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 49, range(2)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: AlterClientQuotasRequest
) -> AlterClientQuotasResponse | Parked:
    """ALTER_CONFIGS on the cluster is needed. Raises ClusterAuthorizationFailed."""
    require_cluster(broker, ctx, AclOperation.ALTER_CONFIGS)

    def choose(controller: Controller) -> Decision[AlterClientQuotasResponse]:
        decision = decide_alter_client_quotas(
            controller.image, request.entries, validate_only=request.validate_only
        )
        return decision.answering(AlterClientQuotasResponse(entries=decision.response))

    return broker.decide(choose)


def error_response(
    request: AlterClientQuotasRequest, error: KafkaError
) -> AlterClientQuotasResponse:
    return AlterClientQuotasResponse(
        entries=[
            AlterClientQuotasResponseEntry(
                error.code,
                error.message,
                [
                    AlterClientQuotasResponseEntity(part.entity_type, part.entity_name)
                    for part in entry.entity
                ],
            )
            for entry in request.entries
        ]
    )
