"""OffsetForLeaderEpoch (key 23) v2-4. v2: current leader epoch. v3: replica id. v4: flexible."""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderEpochResponsePartition,
    OffsetForLeaderEpochResponseTopic,
)
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 23, range(2, 5)


def handle(
    broker: "Broker", ctx: RequestContext, request: OffsetForLeaderEpochRequest
) -> OffsetForLeaderEpochResponse:
    """Say where an epoch ended, so that a client notices what a truncation took (KIP-320)."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderEpochResponseTopic(
                topic=topic.topic,
                partitions=[_row(broker, ctx, topic.topic, wanted) for wanted in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _row(
    broker: "Broker", ctx: RequestContext, topic: str, wanted: OffsetForLeaderEpochRequestPartition
) -> OffsetForLeaderEpochResponsePartition:
    try:
        broker.check_topic(ctx, AclOperation.DESCRIBE, topic)
        partition = broker.partition(topic, wanted.partition)
        partition.check_epoch(wanted.current_leader_epoch)
        epoch, end_offset = partition.epoch_end(wanted.leader_epoch)
    except KafkaError as error:
        return OffsetForLeaderEpochResponsePartition(
            error_code=error.code, partition=wanted.partition
        )
    return OffsetForLeaderEpochResponsePartition(
        partition=wanted.partition, leader_epoch=epoch, end_offset=end_offset
    )
