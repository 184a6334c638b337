"""The group shards this broker leads, over `__consumer_offsets`."""

from collections.abc import Callable
from random import Random

from data_plane.broker.shard_table import OnDamage, OpenPartition, ShardTable
from data_plane.coordinator.group_config import GroupConfig
from data_plane.coordinator.group_partition import OFFSETS_TOPIC
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.records.control import Marker
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Parked


class GroupCoordinators(ShardTable[GroupsShard]):
    """What groups need beyond loading and flushing."""

    def __init__(
        self,
        config: GroupConfig,
        rng: Random,
        open_partition: OpenPartition,
        mark_dirty: Callable[[Partition], None],
        now_ms: Callable[[], int],
        on_damage: OnDamage,
        image_of: Callable[[], MetadataImage],
    ) -> None:
        super().__init__(
            OFFSETS_TOPIC,
            lambda: GroupsShard(config, rng, image_of),
            open_partition,
            mark_dirty,
            now_ms,
            on_damage,
        )

    def forget_topic(self, topic: str) -> None:
        """A topic was deleted: its offsets go with it (durability.md 7)."""
        for host in self._hosts.values():
            if host.shard.is_loaded:
                self._commit(host, host.shard.decide_forget_topic(topic))

    def end_transaction(
        self, index: int, producer: ProducerIdAndEpoch, marker: Marker
    ) -> ErrorCode | Parked:
        """Write a marker into a shard's partition, in its place among the shard's own records.

        Raises CoordinatorLoadInProgress, CoordinatorNotAvailable, or what check_marker refuses.
        """
        shard = self._loaded(index)
        host = self._hosts[index]
        host.partition.log.producers.check_marker(
            *producer, marker.coordinator_epoch, is_bumping=marker.is_bumping
        )
        return self._commit(host, shard.decide_end_transaction(producer, marker))
