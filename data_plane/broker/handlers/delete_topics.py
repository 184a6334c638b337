"""DeleteTopics (key 20) v0-6. v1: throttle time. v5: messages, THROTTLING_QUOTA_EXCEEDED
(KIP-599). v6: by name or by id (KIP-516)."""

from collections.abc import Sequence

from data_plane.broker.admin_access import (
    AdminBroker,
    allows_topic,
    broker_flag,
    config_scope,
    refused_topics,
)
from data_plane.broker.context import RequestContext
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.topics import decide_delete_topics
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsRequestTopic,
    DeleteTopicsResponse,
    DeleteTopicsResponseTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

API_KEY, VERSIONS = 20, range(7)

DELETION_DISABLED_FROM = 3  # Older clients do not know the code.
THROTTLED_FROM = 5  # nor this one's


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DeleteTopicsRequest
) -> DeleteTopicsResponse | Parked:
    return broker.decide(lambda controller: _chosen(broker, ctx, request, controller.image))


def _chosen(
    broker: AdminBroker, ctx: RequestContext, request: DeleteTopicsRequest, image: MetadataImage
) -> Decision[DeleteTopicsResponse]:
    topics = _asked(request)
    if not broker_flag(config_scope(broker, image), "delete.topic.enable"):
        raise KafkaError(
            code=(
                ErrorCode.TOPIC_DELETION_DISABLED
                if ctx.api_version >= DELETION_DISABLED_FROM
                else ErrorCode.INVALID_REQUEST
            )
        )
    named = {each.name for each in topics if each.name is not None}
    by_id = {found.name for each in topics if (found := image.topic_by_id(each.topic_id))}
    quota = broker.quotas.mutations(ctx, strict_from=THROTTLED_FROM)
    decision = decide_delete_topics(
        image,
        topics,
        charge=quota.charge,
        refused=refused_topics(broker, ctx, AclOperation.DELETE, named | by_id),
        hidden={n for n in by_id if not allows_topic(broker, ctx, AclOperation.DESCRIBE, n)},
    )
    return decision.answering(
        DeleteTopicsResponse(responses=decision.response, throttle_time_ms=quota.throttle_ms)
    )


def error_response(request: DeleteTopicsRequest, error: KafkaError) -> DeleteTopicsResponse:
    rows = [
        DeleteTopicsResponseTopic(each.name, each.topic_id, error.code, error.message)
        for each in _asked(request)
    ]
    return DeleteTopicsResponse(responses=rows)


def _asked(request: DeleteTopicsRequest) -> Sequence[DeleteTopicsRequestTopic]:
    """Read both forms of the request as one."""
    return request.topics or [DeleteTopicsRequestTopic(name) for name in request.topic_names]
