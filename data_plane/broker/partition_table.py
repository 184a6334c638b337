"""The partitions this broker leads: opened at first use, kept in step with the image."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from data_plane.log.failures import DiskFull
from data_plane.log.log_config import LogConfig, log_config_from_topic
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.manifest import PartitionKey
from data_plane.metadata.configs import BROKER_CONFIGS, TOPIC_CONFIGS
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import MetadataImage, TopicImage
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.errors import NotLeaderOrFollower, UnknownTopicOrPartition
from data_plane.replication.partition import Partition

Key = tuple[str, int]
POLICY = TOPIC_CONFIGS["cleanup.policy"]


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

    def keys_with_records(self) -> list[Key]:
        """The partitions led here that hold anything, open or not."""
        return self._keys_of(self.image.topics.values())

    def compacted_keys_with_records(self) -> list[Key]:
        """Those of them whose topics are compacted; reads one key of each topic's configs."""
        scope = ConfigScope(self.image, self._broker_id, self._static)
        default = scope.broker_candidates(BROKER_CONFIGS[POLICY.broker_key or ""])[0].value or ""
        topics = self.image.topics.values()
        policies = (self.image.topic_configs(topic.name) for topic in topics)
        return self._keys_of(
            topic
            for topic, own in zip(topics, policies, strict=True)
            if "compact" in own.get(POLICY.name, default)
        )

    def _keys_of(self, topics: Iterable[TopicImage]) -> list[Key]:
        return [
            (topic.name, row.partition_index)
            for topic in topics
            for row in topic.partitions
            if row.leader == self._broker_id
            and self._log_dir.size_bytes(PartitionKey(topic.topic_id, row.partition_index))
        ]

    def get(self, topic: str, index: int, now_ms: int) -> Partition:
        """Raises UnknownTopicOrPartition, NotLeaderOrFollower or StorageError."""
        found = self._open.get((topic, index))
        return self._first_use(topic, index, now_ms) if found is None else found

    def start(self, image: MetadataImage) -> None:
        """Bring the directory in step with the image of a start.

        What the manifest never knew was never written to, so it may be made now; what the image
        does not know was deleted. Raises LogFailure.
        """
        self.image = image
        wanted = {new.key: new for topic in image.topics.values() for new in self._new_in(topic)}
        self._log_dir.delete_partitions(
            [key for key in self._log_dir.partitions() if key not in wanted]
        )
        self._create(list(wanted.values()))

    def config_of(self, key: PartitionKey) -> LogConfig:
        """The settings of a partition the image knows."""
        return log_config_from_topic(self._values(self.image.topic_names[key.topic_id]))

    def apply(self, image: MetadataImage) -> None:
        """Take up a committed image: make what is new, leave and delete what went, tell the rest.

        Raises LogFailure.
        """
        before, self.image = self.image, image
        self._create(
            [
                new
                for name, topic in image.topics.items()
                if before.topics.get(name) is not topic
                for new in self._new_in(topic)
            ]
        )
        for key, partition in list(self._open.items()):
            row = image.partition(*key)
            if row is None or row.topic_id != partition.topic_id or row.leader != self._broker_id:
                del self._open[key]
                partition.leave()
            else:
                partition.leader_epoch = row.leader_epoch
                partition.commit_mode = row.commit_mode
        self._log_dir.delete_partitions(
            [
                new.key
                for topic_id, name in before.topic_names.items()
                if topic_id not in image.topic_names
                for new in self._new_in(before.topics[name])
            ]
        )
        if before.configs is not image.configs:
            self._apply_configs()

    def drop(self, partition: Partition) -> None:
        """Stop serving one partition; the next use tries to open it anew."""
        self._open.pop((partition.topic, partition.index), None)
        partition.leave()

    def _new_in(self, topic: TopicImage) -> list[NewPartition]:
        """The partitions of a topic that have a replica here."""
        return [
            NewPartition(PartitionKey(topic.topic_id, row.partition_index), topic.name)
            for row in topic.partitions
            if self._broker_id in row.replicas
        ]

    def _create(self, new: Sequence[NewPartition]) -> None:
        """Without room now, each is made at its first use."""
        with suppress(DiskFull):
            self._log_dir.create_partitions(new)

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
        key = PartitionKey(topic.topic_id, row.partition_index)
        self._log_dir.create_partitions([NewPartition(key, topic.name)])
        log = self._log_dir.open_partition(key, log_config_from_topic(values), now_ms=now_ms)
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
