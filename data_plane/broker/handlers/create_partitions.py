"""CreatePartitions (key 37) v0-3. v2: flexible. v3: THROTTLING_QUOTA_EXCEEDED."""

from data_plane.broker.admin_access import AdminBroker, config_scope, refused_topics
from data_plane.broker.context import RequestContext
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.partitions import decide_create_partitions
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsResponseResult,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 37, range(4)

THROTTLED_FROM = 3  # Clients of older versions do not know THROTTLING_QUOTA_EXCEEDED.


def handle(
    broker: AdminBroker, ctx: RequestContext, request: CreatePartitionsRequest
) -> CreatePartitionsResponse | Parked:
    names = [each.name for each in request.topics]
    refused = refused_topics(broker, ctx, AclOperation.ALTER, names)

    def choose(controller: Controller) -> Decision[CreatePartitionsResponse]:
        image = controller.image
        scope = config_scope(broker, image)
        quota = broker.quotas.mutations(ctx, strict_from=THROTTLED_FROM)
        decision = decide_create_partitions(
            image,
            request.topics,
            rng=controller.rng,
            values=lambda name: scope.topic_values(image.topic_configs(name)),
            validate_only=request.validate_only,
            charge=quota.charge,
            refused=refused,
        )
        return decision.answering(
            CreatePartitionsResponse(results=decision.response, throttle_time_ms=quota.throttle_ms)
        )

    return broker.decide(choose)


def error_response(request: CreatePartitionsRequest, error: KafkaError) -> CreatePartitionsResponse:
    rows = [
        CreatePartitionsResponseResult(each.name, error.code, error.message)
        for each in request.topics
    ]
    return CreatePartitionsResponse(results=rows)
