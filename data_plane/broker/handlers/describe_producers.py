"""DescribeProducers (key 61) v0, flexible. (KIP-664) Every producer a partition remembers, in a
transaction or not.
"""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.log.producer_state import NO_OFFSET, Producer
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    DescribeProducersResponsePartition,
    DescribeProducersResponseProducer,
    DescribeProducersResponseTopic,
)
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 61, range(1)


def handle(
    broker: "Broker", ctx: RequestContext, request: DescribeProducersRequest
) -> DescribeProducersResponse:
    return DescribeProducersResponse(
        topics=[
            DescribeProducersResponseTopic(
                topic.name,
                [_partition(broker, ctx, topic.name, index) for index in topic.partition_indexes],
            )
            for topic in request.topics
        ]
    )


def _partition(
    broker: "Broker", ctx: RequestContext, topic: str, index: int
) -> DescribeProducersResponsePartition:
    try:
        broker.check_topic(ctx, AclOperation.READ, topic)
        producers = broker.partition(topic, index).log.producers
    except KafkaError as error:
        return DescribeProducersResponsePartition(index, error.code, error.message)
    return DescribeProducersResponsePartition(
        index, active_producers=[_producer(*item) for item in producers.items()]
    )


def _producer(producer_id: int, known: Producer) -> DescribeProducersResponseProducer:
    return DescribeProducersResponseProducer(
        producer_id=producer_id,
        producer_epoch=known.producer_epoch,
        last_sequence=known.batches[-1].last_sequence if known.batches else -1,
        last_timestamp=known.seen_ms,
        coordinator_epoch=known.coordinator_epoch,
        current_txn_start_offset=max(known.txn_first_offset, NO_OFFSET),
    )
