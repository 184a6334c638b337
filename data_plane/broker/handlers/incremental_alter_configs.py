"""IncrementalAlterConfigs (key 44) v0-1. v1: flexible. (KIP-339)"""

from data_plane.broker.admin_access import (
    AdminBroker,
    AuthorizationFailed,
    ClusterAuthorizationFailed,
    allows_cluster,
    allows_topic,
    config_scope,
)
from data_plane.broker.context import RequestContext
from data_plane.metadata.config_changes import Resource, decide_incremental_alter_configs
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import BROKER_RESOURCE, TOPIC_RESOURCE
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
    IncrementalAlterConfigsResponseResource,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 44, range(2)


def handle(
    broker: AdminBroker, ctx: RequestContext, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse | Parked:
    decision = decide_incremental_alter_configs(
        config_scope(broker, broker.controller.image),
        request.resources,
        validate_only=request.validate_only,
        refused=_refused(broker, ctx, request),
    )
    return broker.propose(
        Decision(IncrementalAlterConfigsResponse(responses=decision.response), decision.records)
    )


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


def _refused(
    broker: AdminBroker, ctx: RequestContext, request: IncrementalAlterConfigsRequest
) -> dict[Resource, KafkaError]:
    may_alter_brokers = allows_cluster(broker, ctx, AclOperation.ALTER_CONFIGS)
    refused: dict[Resource, KafkaError] = {}
    for each in request.resources:
        resource = (each.resource_type, each.resource_name)
        if each.resource_type == TOPIC_RESOURCE:
            if not allows_topic(broker, ctx, AclOperation.ALTER_CONFIGS, each.resource_name):
                refused[resource] = AuthorizationFailed()
        elif each.resource_type == BROKER_RESOURCE and not may_alter_brokers:
            refused[resource] = ClusterAuthorizationFailed()
    return refused
