"""IncrementalAlterConfigs (key 44) v0-1. v1: flexible. (KIP-339)"""

from data_plane.broker.admin_access import AdminBroker, config_scope, refused_resources
from data_plane.broker.context import RequestContext
from data_plane.metadata.config_changes import decide_incremental_alter_configs
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
    IncrementalAlterConfigsResponseResource,
)
from data_plane.replication.waiting import Parked

API_KEY, VERSIONS = 44, range(2)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse | Parked:
    refused = refused_resources(
        broker, ctx, [(each.resource_type, each.resource_name) for each in request.resources]
    )

    def choose(controller: Controller) -> Decision[IncrementalAlterConfigsResponse]:
        decision = decide_incremental_alter_configs(
            config_scope(broker, controller.image),
            request.resources,
            validate_only=request.validate_only,
            refused=refused,
        )
        return decision.answering(IncrementalAlterConfigsResponse(responses=decision.response))

    return broker.decide(choose)


def error_response(
    request: IncrementalAlterConfigsRequest, error: KafkaError
) -> IncrementalAlterConfigsResponse:
    rows = [
        IncrementalAlterConfigsResponseResource(
            error.code, error.message, each.resource_type, each.resource_name
        )
        for each in request.resources
    ]
    return IncrementalAlterConfigsResponse(responses=rows)
