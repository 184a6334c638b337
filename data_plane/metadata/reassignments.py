"""AlterPartitionReassignments decided (KIP-455), as far as no replica has to be moved.

A new order of the same replicas makes another one preferred, at once. Replicas that come or go need
followers: until there are, such a change is refused, and there is nothing under way to cancel.
"""

import dataclasses
from collections.abc import Sequence

from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.partitions import InvalidReplicaAssignment, check_replicas
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequestTopic,
    AlterPartitionReassignmentsResponsePartition,
    AlterPartitionReassignmentsResponseTopic,
)


def decide_alter_reassignments(
    image: MetadataImage, topics: Sequence[AlterPartitionReassignmentsRequestTopic]
) -> Decision[list[AlterPartitionReassignmentsResponseTopic]]:
    """Row i, j answers partition j of topic i of the request."""
    records: list[PartitionRecord] = []
    rows: list[AlterPartitionReassignmentsResponseTopic] = []
    for topic in topics:
        results: list[AlterPartitionReassignmentsResponsePartition] = []
        for asked in topic.partitions:
            code, message = 0, None
            try:
                partition = image.partition(topic.name, asked.partition_index)
                records += _reordered(image, partition, asked.replicas)
            except KafkaError as error:
                code, message = error.code, error.message
            results.append(
                AlterPartitionReassignmentsResponsePartition(asked.partition_index, code, message)
            )
        rows.append(AlterPartitionReassignmentsResponseTopic(topic.name, results))
    return Decision(rows, records)


def _reordered(
    image: MetadataImage, partition: PartitionRecord | None, replicas: Sequence[int] | None
) -> list[PartitionRecord]:
    if partition is None:
        raise KafkaError("No such partition.", code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if replicas is None:
        raise KafkaError(
            "No reassignment of this partition is under way.",
            code=ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
        )
    check_replicas(image, replicas, len(replicas))
    if set(replicas) != set(partition.replicas):
        raise InvalidReplicaAssignment("Replicas cannot be moved between brokers yet.")
    if tuple(replicas) == tuple(partition.replicas):
        return []
    return [
        dataclasses.replace(
            partition, replicas=tuple(replicas), partition_epoch=partition.partition_epoch + 1
        )
    ]
