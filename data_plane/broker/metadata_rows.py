"""Brokers, topics and partitions as Metadata shows them to the clients of one listener."""

from collections.abc import Iterable

from data_plane.broker.context import RequestContext
from data_plane.metadata.image import MetadataImage, TopicImage
from data_plane.metadata.records import BrokerListener, PartitionRecord, RegisterBrokerRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.metadata import (
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

NO_LEADER = -1
LISTENER_NOT_FOUND_FROM = 6  # Older clients know only that there is no leader for them.


def listener_of(broker: RegisterBrokerRecord, listener: str) -> BrokerListener | None:
    """Return where clients of `listener` reach a broker, or None if it has no such listener."""
    return next((each for each in broker.listeners if each.name == listener), None)


def shown_brokers(
    image: MetadataImage, listener: str, own_id: int
) -> list[tuple[RegisterBrokerRecord, BrokerListener]]:
    """Live brokers, by id, and where clients of `listener` reach them; `own_id` even if fenced.

    A broker that answers is there. Right after all have restarted every one is still fenced, and
    a client that is told of no broker at all has nobody left to ask again.
    """
    return [
        (broker, found)
        for _, broker in sorted(image.brokers.items())
        if (not broker.is_fenced or broker.broker_id == own_id)
        and (found := listener_of(broker, listener)) is not None
    ]


def shown_controller(shown: Iterable[int], controller_id: int | None, own_id: int) -> int:
    """The active controller if it is among the brokers `shown`, else the broker that answers.

    Every broker passes on what the controller must decide. Clients send it to the broker named
    here and wait for that one alone, so it is never one that is gone, and never nobody.
    """
    return controller_id if controller_id is not None and controller_id in shown else own_id


def broker_rows(image: MetadataImage, listener: str, own_id: int) -> list[MetadataResponseBroker]:
    """Brokers as `shown_brokers` has them."""
    return [
        MetadataResponseBroker(broker.broker_id, found.host, found.port, broker.rack or None)
        for broker, found in shown_brokers(image, listener, own_id)
    ]


class TopicRows:
    """Describes topics of one image to one asker; what all rows share is worked out once."""

    def __init__(self, image: MetadataImage, ctx: RequestContext) -> None:
        brokers = image.live_brokers()
        self._live = {broker.broker_id for broker in brokers}
        self._reachable = {
            broker.broker_id for broker in brokers if listener_of(broker, ctx.listener) is not None
        }
        self._knows_listeners = ctx.api_version >= LISTENER_NOT_FOUND_FROM

    def row(self, topic: TopicImage, operations: int) -> MetadataResponseTopic:
        """Describe one topic; `operations` is the bitfield of KIP-430 or its absence."""
        return MetadataResponseTopic(
            name=topic.name,
            topic_id=topic.topic_id,
            is_internal=topic.is_internal,
            partitions=[self._partition(partition) for partition in topic.partitions],
            topic_authorized_operations=operations,
        )

    def _partition(self, partition: PartitionRecord) -> MetadataResponsePartition:
        code, leader = ErrorCode.NONE, partition.leader
        if leader not in self._reachable:
            is_hidden = leader in self._live and self._knows_listeners
            code = ErrorCode.LISTENER_NOT_FOUND if is_hidden else ErrorCode.LEADER_NOT_AVAILABLE
            leader = NO_LEADER
        return MetadataResponsePartition(
            error_code=code,
            partition_index=partition.partition_index,
            leader_id=leader,
            leader_epoch=partition.leader_epoch,
            replica_nodes=partition.replicas,
            isr_nodes=partition.isr,
            offline_replicas=[each for each in partition.replicas if each not in self._live],
        )
