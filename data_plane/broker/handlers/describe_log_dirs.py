"""DescribeLogDirs (key 35) v1-4. v2: flexible. v3: error code. v4: disk bytes (KIP-827)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from data_plane.broker.admin_access import allows_cluster
from data_plane.broker.context import RequestContext
from data_plane.log.manifest import PartitionKey
from data_plane.metadata.image import TopicImage
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.describe_log_dirs import (
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResponsePartition,
    DescribeLogDirsResponseResult,
    DescribeLogDirsResponseTopic,
)
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 35, range(1, 5)


def handle(
    broker: "Broker", ctx: RequestContext, request: DescribeLogDirsRequest
) -> DescribeLogDirsResponse:
    """List this broker's one directory with the bytes of each replica in it."""
    if not allows_cluster(broker, ctx, AclOperation.DESCRIBE):
        return DescribeLogDirsResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    space = broker.log_dir.space
    return DescribeLogDirsResponse(
        results=[
            DescribeLogDirsResponseResult(
                log_dir=str(broker.config.data_dir),
                topics=_topics(broker, request),
                total_bytes=space.total_bytes,
                usable_bytes=space.free_bytes,
            )
        ]
    )


def _topics(
    broker: "Broker", request: DescribeLogDirsRequest
) -> list[DescribeLogDirsResponseTopic]:
    """What was asked and is here; Kafka leaves out what is not."""
    wanted: Iterable[tuple[TopicImage | None, Iterable[int] | None]]
    if request.topics is None:
        wanted = [(topic, None) for topic in broker.image.topics.values()]
    else:
        wanted = [(broker.image.topic(one.topic), one.partitions) for one in request.topics]
    found = [
        DescribeLogDirsResponseTopic(name=topic.name, partitions=_partitions(broker, topic, only))
        for topic, only in wanted
        if topic is not None
    ]
    return [topic for topic in found if topic.partitions]


def _partitions(
    broker: "Broker", topic: TopicImage, only: Iterable[int] | None
) -> list[DescribeLogDirsResponsePartition]:
    """A leader lags behind nobody, so the lag is 0."""
    indexes = None if only is None else frozenset(only)
    return [
        DescribeLogDirsResponsePartition(
            partition_index=row.partition_index,
            partition_size=broker.log_dir.size_bytes(
                PartitionKey(topic.topic_id, row.partition_index)
            ),
        )
        for row in topic.partitions
        if broker.config.broker_id in row.replicas
        and (indexes is None or row.partition_index in indexes)
    ]
