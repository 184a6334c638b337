"""DescribeTopicPartitions (key 75) v0, flexible: topics in pages, by name and partition (KIP-966).

A cursor names the first partition of the page. Topics that the asker may not describe are left out
of a list of all, and are rows with an error where they were named.
"""

from collections.abc import Sequence

from data_plane.broker.admin_access import AdminBroker, allows_topic
from data_plane.broker.context import RequestContext
from data_plane.broker.metadata_rows import TopicRows
from data_plane.metadata.image import TopicImage
from data_plane.protocol.errors import ErrorCode, InvalidRequest, KafkaError
from data_plane.protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestCursor,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponseCursor,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)
from data_plane.security.acls import AclOperation, ResourceType

API_KEY, VERSIONS = 75, range(1)

PARTITIONS_MAX = 2_000  # max.request.partition.size.limit


def handle(
    broker: AdminBroker, ctx: RequestContext, request: DescribeTopicPartitionsRequest
) -> DescribeTopicPartitionsResponse:
    """One page of at most the limit; the next cursor says where the following one begins."""
    _check_cursor(request.cursor)
    left = min(max(request.response_partition_limit, 1), PARTITIONS_MAX)
    rows: list[DescribeTopicPartitionsResponseTopic] = []
    next_cursor = None
    for name, first in _from_cursor(_names(broker, ctx, request), request.cursor):
        if left <= 0:
            next_cursor = DescribeTopicPartitionsResponseCursor(name, first)
            break
        row, stopped_at = _row(broker, ctx, name, first, left)
        rows.append(row)
        left -= len(row.partitions)
        if stopped_at is not None:
            next_cursor = DescribeTopicPartitionsResponseCursor(name, stopped_at)
            break
    return DescribeTopicPartitionsResponse(topics=rows, next_cursor=next_cursor)


def error_response(
    request: DescribeTopicPartitionsRequest, error: KafkaError
) -> DescribeTopicPartitionsResponse:
    """The response has no error at its top: each topic carries it."""
    return DescribeTopicPartitionsResponse(
        topics=[
            DescribeTopicPartitionsResponseTopic(error.code, topic.name) for topic in request.topics
        ]
    )


def _check_cursor(cursor: DescribeTopicPartitionsRequestCursor | None) -> None:
    if cursor is not None and cursor.partition_index < 0:
        raise InvalidRequest("DescribeTopicPartitionsRequest cursor partition must be valid")


def _names(
    broker: AdminBroker, ctx: RequestContext, request: DescribeTopicPartitionsRequest
) -> list[str]:
    """Hidden topics are left out here, so that no cursor can name one."""
    if not request.topics:
        visible = (
            name
            for name in broker.image.topics
            if allows_topic(broker, ctx, AclOperation.DESCRIBE, name)
        )
        return sorted(visible)
    return sorted({topic.name for topic in request.topics})


def _from_cursor(
    names: Sequence[str], cursor: DescribeTopicPartitionsRequestCursor | None
) -> list[tuple[str, int]]:
    """(name, first partition) from the cursor on; a topic deleted meanwhile is stepped over."""
    if cursor is None:
        return [(name, 0) for name in names]
    return [
        (name, cursor.partition_index if name == cursor.topic_name else 0)
        for name in names
        if name >= cursor.topic_name
    ]


def _row(
    broker: AdminBroker, ctx: RequestContext, name: str, first: int, left: int
) -> tuple[DescribeTopicPartitionsResponseTopic, int | None]:
    """One topic's part of the page, and at which partition the page ended within it."""
    if not allows_topic(broker, ctx, AclOperation.DESCRIBE, name):
        code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        return DescribeTopicPartitionsResponseTopic(code, name), None
    topic = broker.image.topic(name)
    operations = broker.authorizer.authorized_operations(
        ctx.principal, ResourceType.TOPIC, name, ctx.client_host
    )
    if topic is None:
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        row = DescribeTopicPartitionsResponseTopic(
            code, name, topic_authorized_operations=operations
        )
        return row, None
    end = first + left
    row = DescribeTopicPartitionsResponseTopic(
        name=name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=_partitions(broker, ctx, topic, first, end),
        topic_authorized_operations=operations,
    )
    return row, end if end < len(topic.partitions) else None


def _partitions(
    broker: AdminBroker, ctx: RequestContext, topic: TopicImage, first: int, end: int
) -> list[DescribeTopicPartitionsResponsePartition]:
    shown = TopicRows(broker.image, ctx).row(topic, 0).partitions[first:end]
    records = topic.partitions[first:end]
    return [
        DescribeTopicPartitionsResponsePartition(
            error_code=row.error_code,
            partition_index=row.partition_index,
            leader_id=row.leader_id,
            leader_epoch=row.leader_epoch,
            replica_nodes=row.replica_nodes,
            isr_nodes=row.isr_nodes,
            eligible_leader_replicas=record.elr,
            last_known_elr=record.last_eligible,
            offline_replicas=row.offline_replicas,
        )
        for row, record in zip(shown, records, strict=True)
    ]
