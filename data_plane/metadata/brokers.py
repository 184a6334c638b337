"""Broker registration decided: a new incarnation replaces the one before it."""

import dataclasses

from data_plane.metadata.decision import Decision
from data_plane.metadata.features import initial_features
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import MetadataRecord, PartitionRecord, RegisterBrokerRecord


def decide_register_broker(
    image: MetadataImage,
    registration: RegisterBrokerRecord,
    *,
    next_offset: int,
) -> Decision[int]:
    """Register an incarnation; the response is its broker epoch, the offset of its record.

    Everything the broker led gets a new leader epoch in the same batch, always, so that nothing
    of an earlier incarnation is taken for this one's (durability.md 3). The first registration of
    a cluster also finalizes its features.
    """
    record = dataclasses.replace(registration, broker_epoch=next_offset)
    bumped: list[MetadataRecord] = [
        _with_new_epoch(partition)
        for _, partition in image.partitions()
        if partition.leader == registration.broker_id
    ]
    features = [] if image.brokers else initial_features()
    return Decision(next_offset, [record, *bumped, *features])


def _with_new_epoch(partition: PartitionRecord) -> PartitionRecord:
    return dataclasses.replace(
        partition,
        leader_epoch=partition.leader_epoch + 1,
        partition_epoch=partition.partition_epoch + 1,
    )
