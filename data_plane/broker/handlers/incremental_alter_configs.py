"""IncrementalAlterConfigs (key 44) v0-1. v1: flexible. (KIP-339)"""

from collections.abc import Callable, Mapping, Sequence

from data_plane.broker import loggers
from data_plane.broker.admin_access import AdminBroker, config_scope, refused_resources
from data_plane.broker.context import RequestContext
from data_plane.broker.gather import then
from data_plane.metadata.config_changes import decide_incremental_alter_configs
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import LOGGER_RESOURCE
from data_plane.protocol.errors import InvalidRequest, KafkaError
from data_plane.protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestResource,
    IncrementalAlterConfigsResponse,
    IncrementalAlterConfigsResponseResource,
)
from data_plane.replication.waiting import Parked

API_KEY, VERSIONS = 44, range(2)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse | KafkaError | Parked:
    """Loggers are this process's own affair; all else is the controller's."""
    refused = refused_resources(
        broker, ctx, [(each.resource_type, each.resource_name) for each in request.resources]
    )
    ours = [each for each in request.resources if each.resource_type == LOGGER_RESOURCE]
    others = [each for each in request.resources if each.resource_type != LOGGER_RESOURCE]
    if not ours:
        return broker.decide(_chosen(broker, request, others, refused))
    rows = [_alter_loggers(broker, request, each, refused) for each in ours]
    if not others:
        return IncrementalAlterConfigsResponse(responses=rows)
    return then(
        broker.decide(_chosen(broker, request, others, refused)),
        lambda told: IncrementalAlterConfigsResponse(responses=[*told.responses, *rows]),
    )


def _chosen(
    broker: AdminBroker,
    request: IncrementalAlterConfigsRequest,
    resources: Sequence[IncrementalAlterConfigsRequestResource],
    refused: Mapping[tuple[int, str], KafkaError],
) -> Callable[[Controller], Decision[IncrementalAlterConfigsResponse]]:
    def choose(controller: Controller) -> Decision[IncrementalAlterConfigsResponse]:
        decision = decide_incremental_alter_configs(
            config_scope(broker, controller.image),
            resources,
            validate_only=request.validate_only,
            refused=refused,
        )
        return decision.answering(IncrementalAlterConfigsResponse(responses=decision.response))

    return choose


def _alter_loggers(
    broker: AdminBroker,
    request: IncrementalAlterConfigsRequest,
    wanted: IncrementalAlterConfigsRequestResource,
    refused: Mapping[tuple[int, str], KafkaError],
) -> IncrementalAlterConfigsResponseResource:
    where = (wanted.resource_type, wanted.resource_name)
    try:
        if where in refused:
            raise refused[where]
        if wanted.resource_name != str(broker.config.broker_id):
            raise InvalidRequest(
                f"Unexpected broker id, expected {broker.config.broker_id}, "
                f"but received {wanted.resource_name}"
            )
        loggers.alter(wanted.configs, validate_only=request.validate_only)
    except KafkaError as error:
        return IncrementalAlterConfigsResponseResource(error.code, error.message, *where)
    return IncrementalAlterConfigsResponseResource(0, None, *where)


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
