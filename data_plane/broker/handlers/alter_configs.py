"""AlterConfigs (key 33) v0-2, deprecated: it replaces all keys of a resource. v2: flexible."""

from data_plane.broker.admin_access import AdminBroker, config_scope, refused_resources
from data_plane.broker.context import RequestContext
from data_plane.metadata.config_changes import decide_alter_configs
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResponse,
    AlterConfigsResponseResource,
)
from data_plane.replication.waiting import Parked

API_KEY, VERSIONS = 33, range(3)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: AlterConfigsRequest
) -> AlterConfigsResponse | Parked:
    refused = refused_resources(
        broker, ctx, [(each.resource_type, each.resource_name) for each in request.resources]
    )

    def choose(controller: Controller) -> Decision[AlterConfigsResponse]:
        decision = decide_alter_configs(
            config_scope(broker, controller.image),
            request.resources,
            validate_only=request.validate_only,
            refused=refused,
        )
        return decision.answering(AlterConfigsResponse(responses=decision.response))

    return broker.decide(choose)


def error_response(request: AlterConfigsRequest, error: KafkaError) -> AlterConfigsResponse:
    return AlterConfigsResponse(
        responses=[
            AlterConfigsResponseResource(
                error.code, error.message, each.resource_type, each.resource_name
            )
            for each in request.resources
        ]
    )
