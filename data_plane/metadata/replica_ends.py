"""How far the replicas reach of partitions that nobody may lead: soft state of the controller."""

from collections.abc import Iterable
from uuid import UUID

from data_plane.metadata.image import MetadataImage
from data_plane.metadata.leadership import NO_LEADER, ReplicaEnd
from data_plane.metadata.records import PartitionRecord

Key = tuple[UUID, int]


class ReplicaEnds:
    """What brokers told with their heartbeats; each incarnation's word dies with it."""

    def __init__(self) -> None:
        self._told: dict[Key, dict[int, tuple[int, ReplicaEnd]]] = {}

    def note(self, key: Key, broker_id: int, broker_epoch: int, end: ReplicaEnd) -> None:
        self._told.setdefault(key, {})[broker_id] = (broker_epoch, end)

    def of(self, image: MetadataImage, row: PartitionRecord) -> dict[int, ReplicaEnd]:
        """Broker id -> (last epoch, end offset), of incarnations that are registered now."""
        told = self._told.get((row.topic_id, row.partition_index), {})
        return {
            broker_id: end
            for broker_id, (broker_epoch, end) in told.items()
            if broker_id in image.brokers and image.brokers[broker_id].broker_epoch == broker_epoch
        }

    def keys(self) -> Iterable[Key]:
        return list(self._told)

    def forget_led(self, image: MetadataImage) -> None:
        """Drop what is of no use any more."""
        for topic_id, index in self.keys():
            topic = image.topic_by_id(topic_id)
            if topic is None or topic.partitions[index].leader != NO_LEADER:
                del self._told[topic_id, index]
