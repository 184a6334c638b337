"""Topics the broker makes for itself, as real topics in the metadata log (durability.md 9)."""

from uuid import UUID

from data_plane.coordinator.group_partition import OFFSETS_TOPIC
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import TOPIC_RESOURCE
from data_plane.metadata.partitions import new_partition
from data_plane.metadata.records import ConfigRecord, MetadataRecord, TopicRecord

PARTITIONS_ON_ONE_BROKER = 8
PARTITIONS_OTHERWISE = 50
REPLICAS_MAX = 3

OFFSETS_CONFIGS = {
    "cleanup.policy": "compact",
    "compression.type": "producer",
    "segment.bytes": str(100 * 1024 * 1024),
}


def decide_offsets_topic(scope: ConfigScope, topic_id: UUID) -> Decision[None]:
    """Create `__consumer_offsets`; its partition count is fixed then, since clients hash by it."""
    image = scope.image
    brokers = [broker.broker_id for broker in image.live_brokers()]
    count = PARTITIONS_ON_ONE_BROKER if len(brokers) == 1 else PARTITIONS_OTHERWISE
    values = scope.topic_values(OFFSETS_CONFIGS)
    records: list[MetadataRecord] = [TopicRecord(OFFSETS_TOPIC, topic_id)]
    for index in range(count):
        replicas = [
            brokers[(index + step) % len(brokers)]
            for step in range(min(REPLICAS_MAX, len(brokers)))
        ]
        records.append(new_partition(image, topic_id, index, replicas, values))
    records += [
        ConfigRecord(TOPIC_RESOURCE, OFFSETS_TOPIC, name, value)
        for name, value in OFFSETS_CONFIGS.items()
    ]
    return Decision(None, records)
