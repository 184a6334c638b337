"""CreateTopics (key 19) v0-7. v1: validate only, messages. v4: broker defaults (-1). v5: configs in
the answer (KIP-525). v6: THROTTLING_QUOTA_EXCEEDED (KIP-599). v7: topic ids.

CREATE on the cluster allows every name, CREATE on a topic that one. The answer leaves when the
topics are committed in the metadata log and this broker serves them.
"""

from collections.abc import Callable

from data_plane.broker.admin_access import (
    AdminBroker,
    allows_cluster,
    allows_topic,
    broker_number,
    config_scope,
    refused_topics,
)
from data_plane.broker.context import RequestContext
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import INTERNAL_TOPICS
from data_plane.metadata.topics import CreateRules, decide_create_topics
from data_plane.protocol.errors import InvalidRequest, KafkaError
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsResponse,
    CreateTopicsResponseTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 19, range(8)

THROTTLED_FROM = 6  # Clients of older versions do not know THROTTLING_QUOTA_EXCEEDED.


def handle(
    broker: AdminBroker, ctx: RequestContext, request: CreateTopicsRequest
) -> CreateTopicsResponse | Parked:
    def choose(controller: Controller) -> Decision[CreateTopicsResponse]:
        quota = broker.quotas.mutations(ctx, strict_from=THROTTLED_FROM)
        rules = _rules(broker, ctx, request, controller, quota.charge)
        decision = decide_create_topics(request.topics, rules)
        return decision.answering(
            CreateTopicsResponse(topics=decision.response, throttle_time_ms=quota.throttle_ms)
        )

    return broker.decide(choose)


def error_response(request: CreateTopicsRequest, error: KafkaError) -> CreateTopicsResponse:
    rows = [
        CreateTopicsResponseTopic(each.name, error_code=error.code, error_message=error.message)
        for each in request.topics
    ]
    return CreateTopicsResponse(topics=rows)


def _rules(
    broker: AdminBroker,
    ctx: RequestContext,
    request: CreateTopicsRequest,
    controller: Controller,
    charge: Callable[[int], None],
) -> CreateRules:
    names = [each.name for each in request.topics]
    scope = config_scope(broker, controller.image)
    refused: dict[str, KafkaError] = {
        name: InvalidRequest("Brokers create this topic themselves.")
        for name in INTERNAL_TOPICS.intersection(names).difference(controller.image.topics)
    }
    if not allows_cluster(broker, ctx, AclOperation.CREATE):
        refused |= refused_topics(broker, ctx, AclOperation.CREATE, names)
    return CreateRules(
        new_id=controller.new_id,
        rng=controller.rng,
        scope=scope,
        default_partition_count=broker_number(scope, "num.partitions"),
        default_replication_factor=broker_number(scope, "default.replication.factor"),
        validate_only=request.validate_only,
        charge=charge,
        refused=refused,
        hides_configs={
            name
            for name in names
            if not allows_topic(broker, ctx, AclOperation.DESCRIBE_CONFIGS, name)
        },
    )
