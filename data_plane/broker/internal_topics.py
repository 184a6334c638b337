"""Topics the broker makes for itself, as real topics in the metadata log (durability.md 9)."""

from uuid import UUID

from data_plane.coordinator.group_partition import OFFSETS_TOPIC
from data_plane.coordinator.transactions_topic import TRANSACTIONS_TOPIC
from data_plane.metadata.decision import Decision
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import TOPIC_RESOURCE
from data_plane.metadata.partitions import new_partition
from data_plane.metadata.records import ConfigRecord, MetadataRecord, TopicRecord

PARTITIONS_ON_ONE_BROKER = 8
PARTITIONS_OTHERWISE = 50
REPLICAS_MAX = 3

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


def decide_internal_topic(scope: ConfigScope, name: str, topic_id: UUID) -> Decision[None]:
    """Create an internal topic; its partition count is fixed then, since clients hash by it."""
    image = scope.image
    brokers = [broker.broker_id for broker in image.live_brokers()]
    count = PARTITIONS_ON_ONE_BROKER if len(brokers) == 1 else PARTITIONS_OTHERWISE
    values = scope.topic_values(CONFIGS[name])
    records: list[MetadataRecord] = [TopicRecord(name, topic_id)]
    for index in range(count):
        replicas = [
            brokers[(index + step) % len(brokers)]
            for step in range(min(REPLICAS_MAX, len(brokers)))
        ]
        records.append(new_partition(image, topic_id, index, replicas, values))
    records += [
        ConfigRecord(TOPIC_RESOURCE, name, key, value) for key, value in CONFIGS[name].items()
    ]
    return Decision(None, records)
