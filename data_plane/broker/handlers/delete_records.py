"""DeleteRecords (key 21) v0-2. v2: flexible. (KIP-107)"""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.protocol.errors import InvalidTopic, KafkaError
from data_plane.protocol.messages.delete_records import (
    HIGH_WATERMARK,
    DeleteRecordsRequest,
    DeleteRecordsRequestPartition,
    DeleteRecordsResponse,
    DeleteRecordsResponsePartition,
    DeleteRecordsResponseTopic,
)
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 21, range(3)


def handle(
    broker: "Broker", ctx: RequestContext, request: DeleteRecordsRequest
) -> DeleteRecordsResponse:
    """Move log starts forward, at most to the high watermark; works on a full disk, too."""
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsResponseTopic(
                name=topic.name,
                partitions=[_row(broker, ctx, topic.name, wanted) for wanted in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _row(
    broker: "Broker", ctx: RequestContext, topic: str, wanted: DeleteRecordsRequestPartition
) -> DeleteRecordsResponsePartition:
    index = wanted.partition_index
    try:
        broker.check_topic(ctx, AclOperation.DELETE, topic)
        if broker.is_internal(topic):
            raise InvalidTopic("records of internal topics are deleted by the broker alone")
        partition = broker.partition(topic, index)
        offset = wanted.offset
        if offset == HIGH_WATERMARK:
            offset = partition.high_watermark
        start = partition.delete_records_before(offset)
        broker.deleted_from(partition)
    except KafkaError as error:
        return DeleteRecordsResponsePartition(partition_index=index, error_code=error.code)
    return DeleteRecordsResponsePartition(partition_index=index, low_watermark=start)
