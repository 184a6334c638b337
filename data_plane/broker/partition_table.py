"""The partitions this broker leads: opened at first use, kept in step with the image."""

from collections.abc import Callable, Iterator, Mapping

from data_plane.log.log_config import LogConfig, log_config_from_topic
from data_plane.log.log_dir import LogDir
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import MetadataImage, TopicImage
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.errors import NotLeaderOrFollower, UnknownTopicOrPartition
from data_plane.replication.partition import Partition

Key = tuple[str, int]


class PartitionTable:
    """(topic, index) -> Partition. Opening a log reads its directory, so none is opened in advance.

    A partition that cannot be opened raises at each use; the others are served.
    """

    def __init__(self, log_dir: LogDir, broker_id: int, static: Mapping[str, str]) -> None:
        self._log_dir = log_dir
        self._broker_id = broker_id
        self._static = static
        self._open: dict[Key, Partition] = {}
        self.image = MetadataImage()

    def __iter__(self) -> Iterator[Partition]:
        """Those that are open."""
        return iter(list(self._open.values()))

    def get(self, topic: str, index: int, now_ms: int) -> Partition:
        """Raises UnknownTopicOrPartition, NotLeaderOrFollower or StorageError."""
        found = self._open.get((topic, index))
        return self._first_use(topic, index, now_ms) if found is None else found

    def apply(self, image: MetadataImage, on_gone: Callable[[Partition], None]) -> None:
        """Take up a committed image: partitions that went are left, changed ones told."""
        before, self.image = self.image, image
        for key, partition in list(self._open.items()):
            topic, row = image.topic(key[0]), image.partition(*key)
            if (
                topic is None
                or row is None
                or topic.topic_id != partition.topic_id
                or row.leader != self._broker_id
            ):
                del self._open[key]
                partition.leave()
                on_gone(partition)
            else:
                partition.leader_epoch = row.leader_epoch
                partition.commit_mode = row.commit_mode
        if before.configs is not image.configs:
            self._apply_configs()

    def _first_use(self, topic_name: str, index: int, now_ms: int) -> Partition:
        topic, row = self.image.topic(topic_name), self.image.partition(topic_name, index)
        if topic is None or row is None:
            raise UnknownTopicOrPartition
        if row.leader != self._broker_id:
            raise NotLeaderOrFollower
        partition = self._opened(topic, row, now_ms)
        self._open[topic_name, index] = partition
        return partition

    def _opened(self, topic: TopicImage, row: PartitionRecord, now_ms: int) -> Partition:
        values = self._values(topic.name)
        log = self._log_dir.open_log(
            topic.topic_id, row.partition_index, log_config_from_topic(values), now_ms=now_ms
        )
        return Partition(
            topic.name,
            row.partition_index,
            topic.topic_id,
            log,
            leader_epoch=row.leader_epoch,
            commit_mode=row.commit_mode,
            min_insync_replicas=int(values["min.insync.replicas"]),
        )

    def _apply_configs(self) -> None:
        configs: dict[str, tuple[LogConfig, int]] = {}
        for partition in self._open.values():
            found = configs.get(partition.topic)
            if found is None:
                values = self._values(partition.topic)
                found = (log_config_from_topic(values), int(values["min.insync.replicas"]))
                configs[partition.topic] = found
            partition.log.config, partition.min_insync_replicas = found

    def _values(self, topic: str) -> dict[str, str]:
        scope = ConfigScope(self.image, self._broker_id, self._static)
        return scope.topic_values(self.image.topic_configs(topic))
