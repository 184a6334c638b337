"""Topics the broker makes for itself, as real topics in the metadata log (durability.md 9)."""

from random import Random
from uuid import UUID

from data_plane.coordinator.group_partition import OFFSETS_TOPIC
from data_plane.coordinator.transactions_topic import TRANSACTIONS_TOPIC
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import TOPIC_RESOURCE
from data_plane.metadata.partitions import new_partition
from data_plane.metadata.placement import internal_replication_factor, place
from data_plane.metadata.records import ConfigRecord, MetadataRecord, TopicRecord
from data_plane.protocol.errors import CoordinatorNotAvailable

PARTITIONS_ON_ONE_BROKER = 8
PARTITIONS_OTHERWISE = 50

SEGMENT_BYTES = str(100 * 1024 * 1024)
CONFIGS = {
    OFFSETS_TOPIC: {
        "cleanup.policy": "compact",
        "compression.type": "producer",
        "segment.bytes": SEGMENT_BYTES,
    },
    TRANSACTIONS_TOPIC: {
        "cleanup.policy": "compact",
        "compression.type": "uncompressed",
        "segment.bytes": SEGMENT_BYTES,
        "unclean.leader.election.enable": "false",
    },
}


def decide_internal_topic(
    scope: ConfigScope, name: str, topic_id: UUID, rng: Random
) -> Decision[None]:
    """Create an internal topic; its partition count is fixed then, since clients hash by it.

    Raises CoordinatorNotAvailable until there are enough brokers for its replicas.
    """
    image = scope.image
    replicas_wanted = internal_replication_factor(image)
    is_alone = max(image.spec_broker_count, len(image.brokers)) == 1
    count = PARTITIONS_ON_ONE_BROKER if is_alone else PARTITIONS_OTHERWISE
    active = image.active_brokers()
    if len(active) < replicas_wanted:
        raise CoordinatorNotAvailable(f"{name} waits for {replicas_wanted} brokers")
    placed = place(
        [image.brokers[each] for each in sorted(active)],
        partition_count=count,
        replication_factor=replicas_wanted,
        rng=rng,
    )
    values = scope.topic_values(CONFIGS[name])
    records: list[MetadataRecord] = [TopicRecord(name, topic_id)]
    for index, replicas in enumerate(placed):
        records.append(new_partition(image, topic_id, index, replicas, values))
    records += [
        ConfigRecord(TOPIC_RESOURCE, name, key, value) for key, value in CONFIGS[name].items()
    ]
    return Decision(None, records)
