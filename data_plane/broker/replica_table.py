"""The replicas of this broker, kept in step with the image.

What it leads is opened at its first use, since most partitions of a large cluster sleep. What it
follows is opened in slices, a few in each step, because no callback may hold the loop
(durability.md 5); until then nothing is copied, and nobody counts on it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from data_plane.broker.awaited_fetches import AwaitedFetches
from data_plane.broker.log_maker import LogMaker
from data_plane.log.failures import DamagedLog, DiskFull
from data_plane.log.log_config import LogConfig, log_config_from_topic
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.manifest import PartitionKey
from data_plane.log.partition_log import PartitionLog
from data_plane.log.watermarks import Row
from data_plane.metadata.commit_rules import Judges
from data_plane.metadata.configs import BROKER_CONFIGS, TOPIC_CONFIGS
from data_plane.metadata.effective_configs import ConfigScope
from data_plane.metadata.image import (
    BROKER_RESOURCE,
    TOPIC_RESOURCE,
    MetadataImage,
    TopicImage,
)
from data_plane.metadata.leadership import NO_LEADER, wanted_mode
from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.protocol.errors import ErrorCode, NotLeaderOrFollower, UnknownTopicOrPartition
from data_plane.protocol.messages.broker_heartbeat import (
    BrokerHeartbeatRequestPartition,
    BrokerHeartbeatRequestTopic,
)
from data_plane.replication.fetcher import Fetchers
from data_plane.replication.follower import Follower
from data_plane.replication.partition import Partition

OPENED_PER_STEP = 16  # About 5 ms.
LOOKED_AT_PER_STEP = 32  # the same
RETRY_MS = 1_000  # after there was no room on the disk
NO_EPOCH = -1

Key = tuple[str, int]
log = logging.getLogger(__name__)

POLICY = TOPIC_CONFIGS["cleanup.policy"]
PRODUCER_EXPIRATION = "producer.id.expiration.ms"


class ReplicaTable:
    """(topic, index) -> Partition where this broker leads, Follower where it copies.

    A partition that cannot be opened raises at each use; the others are served. One whose files
    are lost or damaged copies nothing until the controller has taken it out of everything that
    counts; then it begins anew, empty, and is copied whole (decision 0049).
    """

    def __init__(
        self,
        log_dir: LogDir,
        broker_id: int,
        static: Mapping[str, str],
        fetchers: Fetchers,
        sync: Callable[[Partition | Follower], None],
        maker: LogMaker,
    ) -> None:
        """sync: has a replica synced, whose log has something that is not."""
        self._log_dir = log_dir
        self._broker_id = broker_id
        self._static = static
        self._fetchers = fetchers
        self._sync = sync
        self._open: dict[Key, Partition] = {}  # those led here that were used
        self._followers: dict[Key, Follower] = {}
        self._unopened: dict[Key, None] = {}  # to be followed as soon as there is time
        self._retry_ms: int | None = None  # when to try again to make room
        self._maker = maker
        self._to_look_at: dict[Key, None] = {}  # brokers or settings changed, the row did not
        self._high_watermarks: dict[Key, int] = {}  # known in the role, or the run, before
        self._leaderless: set[Key] = set()  # of the replicas here
        self.damaged: dict[PartitionKey, str] = {}  # in service: others may not have it; and why
        # Lost in this run: the leader epoch up to which the replica may have told of itself.
        self._lost_in: dict[PartitionKey, int] = {}
        self.has_news = True  # `ends` may say something else than before
        self.awaited = AwaitedFetches()
        self.image = MetadataImage()
        self._judges: Judges | None = None  # of the image, made when first asked

    def __iter__(self) -> Iterator[Partition]:
        """Those that are led here and open."""
        return iter(self.open_ones())

    def open_ones(self) -> list[Partition]:
        return list(self._open.values())

    @property
    def followers(self) -> Mapping[Key, Follower]:
        """Those that are copied here; to be read only."""
        return self._followers

    @property
    def next_due_ms(self) -> int | None:
        """When `step` has something to do, Unix ms; 0: at once."""
        has_work = self._to_look_at or self._maker.has_work
        if has_work or (self._unopened and not self._maker.is_busy):
            return 0
        return self._retry_ms

    def step(self, now_ms: int) -> None:
        """Open and look at a few of the replicas for which that is due. Raises LogFailure."""
        self._look_at_some(now_ms)
        if self._maker.is_busy:
            self._maker.step()
            return  # One kind of work per step.
        if self._retry_ms is not None and now_ms >= self._retry_ms:
            self._retry_ms = None
            self._follow_all(self.image.topics.values())
        for _ in range(min(OPENED_PER_STEP, len(self._unopened))):
            key = next(iter(self._unopened))
            del self._unopened[key]
            try:
                self._open_follower(key, now_ms)
            except DiskFull:
                self._retry_ms = now_ms + RETRY_MS
            except DamagedLog as error:
                log.error("replica %s-%d is lost: %s", *key, error.message)
                self.has_news = True

    def keys_with_records(self) -> list[Key]:
        """The partitions led here that hold anything, open or not."""
        return self._keys_of(self.image.topics.values(), are_led=True)

    def compacted_keys_with_records(self) -> list[Key]:
        """The replicas of compacted topics that hold anything, led here or copied.

        Reads one key of each topic's configs.
        """
        scope = ConfigScope(self.image, self._broker_id, self._static)
        default = scope.broker_candidates(BROKER_CONFIGS[POLICY.broker_key or ""])[0].value or ""
        topics = self.image.topics.values()
        policies = (self.image.topic_configs(topic.name) for topic in topics)
        compacted = (
            topic
            for topic, own in zip(topics, policies, strict=True)
            if "compact" in own.get(POLICY.name, default)
        )
        return self._keys_of(compacted, are_led=False)

    def replica_keys_with_records(self) -> list[Key]:
        """The replicas that hold anything, led here or copied."""
        return self._keys_of(self.image.topics.values(), are_led=False)

    def _keys_of(self, topics: Iterable[TopicImage], *, are_led: bool) -> list[Key]:
        return [
            (topic.name, row.partition_index)
            for topic in topics
            for row in topic.partitions
            if (row.leader == self._broker_id if are_led else self._broker_id in row.replicas)
            and self._log_dir.size_bytes(PartitionKey(topic.topic_id, row.partition_index))
        ]

    def get(self, topic: str, index: int, now_ms: int) -> Partition:
        """Raises UnknownTopicOrPartition, NotLeaderOrFollower or StorageError."""
        found = self._open.get((topic, index))
        return self._first_use(topic, index, now_ms) if found is None else found

    def get_made(self, topic: str, index: int, now_ms: int) -> Partition:
        """As `get`, for who comes again: NotLeaderOrFollower too while its log is being made."""
        found = self.image.topic(topic)
        if found is not None and self._maker.is_awaited(PartitionKey(found.topic_id, index)):
            raise NotLeaderOrFollower
        return self.get(topic, index, now_ms)

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
        stored = self._log_dir.watermarks.stored
        self._high_watermarks = {
            (new.topic, key.partition_index): stored[key]
            for key, new in wanted.items()
            if key in stored
        }
        self._follow_all(image.topics.values())

    def high_watermarks(self) -> list[Row]:
        """What is known to be committed of every replica here; about 2 ms for 10,000."""
        replicas: list[Partition | Follower] = [*self._open.values(), *self._followers.values()]
        rows = [(one.topic_id, one.index, one.high_watermark) for one in replicas]
        topics = self.image.topics
        rows += [
            (topics[topic].topic_id, index, offset)
            for (topic, index), offset in self._high_watermarks.items()
            if topic in topics
        ]
        return [row for row in rows if row[2] > 0]

    def config_of(self, key: PartitionKey) -> LogConfig:
        """The settings of a partition the image knows."""
        return log_config_from_topic(self._values(self.image.topic_names[key.topic_id]))

    def apply(self, image: MetadataImage, now_ms: int) -> None:
        """Take up a committed image: make what is new, change roles, delete what went.

        Raises LogFailure.
        """
        before, self.image = self.image, image
        self._judges = None
        changed = [
            topic for name, topic in image.topics.items() if before.topics.get(name) is not topic
        ]
        self._maker.want(new for topic in changed for new in self._missing_in(topic))
        self._maker.make_some()
        gone = [
            topic
            for name, topic in before.topics.items()
            if name not in image.topics or image.topics[name].topic_id != topic.topic_id
        ]
        for topic in gone:
            self._leave_topic(topic)
        for topic in changed:
            self._change_roles(before.topic_by_id(topic.topic_id), topic, now_ms)
        self._maker.doom(new.key for topic in gone for new in self._new_in(topic))
        self._maker.delete_some()
        if before.brokers is not image.brokers:
            # What a new incarnation may have lost is not counted on: if it was in the ISR its
            # registration has changed the row, if not the controller knows its epoch (KIP-903).
            self._to_look_at |= {key: None for key, one in self._open.items() if one.followers}
        if before.configs is not image.configs:
            self._note_configs(before, image)
        self._look_at_some(now_ms)

    def ends(self) -> list[BrokerHeartbeatRequestTopic]:
        """What the controller must hear: how far replicas reach that nobody leads, which are lost
        or damaged.

        Told again only when `has_news`; the lost ones among those that have a replica here.
        """
        self.has_news = False
        lost = self._log_dir.quarantined
        rows: dict[UUID, list[BrokerHeartbeatRequestPartition]] = {}
        for key in self._leaderless:
            follower = self._followers.get(key)
            if follower is not None:
                found = BrokerHeartbeatRequestPartition(
                    follower.index, follower.log.leader_epoch, follower.log.log_end_offset
                )
                rows.setdefault(follower.topic_id, []).append(found)
        for topic_id, index in lost:
            topic = self.image.topic_by_id(topic_id)
            if topic is not None and self._broker_id in topic.partitions[index].replicas:
                found = BrokerHeartbeatRequestPartition(index, is_lost=True)
                rows.setdefault(topic_id, []).append(found)
        for damaged in self.damaged:
            kept = self._log_dir.open_logs()[damaged]
            found = BrokerHeartbeatRequestPartition(
                damaged.partition_index, kept.leader_epoch, kept.log_end_offset, is_lost=True
            )
            rows.setdefault(damaged.topic_id, []).append(found)
        return [BrokerHeartbeatRequestTopic(one, found) for one, found in rows.items()]

    def damage(self, replica: Partition | Follower, reason: str) -> None:
        """Some of its log is not what was written: it stays in service until another one stands in.

        That is the controller's to say, which may know better who is in sync.
        """
        if not replica.is_gone:
            self.damaged[PartitionKey(replica.topic_id, replica.index)] = reason
            self.has_news = True

    def lose(self, replica: Partition | Follower) -> None:
        """Its log is not what was written: serve or copy it no more, and tell the controller."""
        self.has_news = True
        lost = PartitionKey(replica.topic_id, replica.index)
        self._lost_in[lost] = replica.leader_epoch
        self.damaged.pop(lost, None)
        if isinstance(replica, Partition):
            self._open.pop((replica.topic, replica.index), None)
            replica.leave()
        else:
            self._drop_follower((replica.topic, replica.index))

    def stop(self, follower: Follower) -> None:
        """This replica may not go on copying; its files stay for a person."""
        self._drop_follower((follower.topic, follower.index))

    # Roles.

    def _leave_topic(self, topic: TopicImage) -> None:
        for row in topic.partitions:
            key = (topic.name, row.partition_index)
            partition = self._open.pop(key, None)
            if partition is not None:
                partition.leave()
            self._drop_follower(key)
            self.damaged.pop(PartitionKey(topic.topic_id, row.partition_index), None)
            self._high_watermarks.pop(key, None)
            self._leaderless.discard(key)

    def _change_roles(self, before: TopicImage | None, topic: TopicImage, now_ms: int) -> None:
        known = () if before is None else before.partitions
        for row in topic.partitions:
            index = row.partition_index
            was = known[index] if index < len(known) else None
            if was is not row:
                self._change_role(topic, was, row, now_ms)

    def _change_role(
        self, topic: TopicImage, was: PartitionRecord | None, row: PartitionRecord, now_ms: int
    ) -> None:
        key, me = (topic.name, row.partition_index), self._broker_id
        self._give_up_damaged(PartitionKey(topic.topic_id, row.partition_index), key, row)
        if row.leader == me:
            self._note_leader(key, row)
            self._await_followers(topic, was, row, now_ms)
            self._drop_follower(key)
            partition = self._open.get(key)
            if partition is not None:
                self._apply_row(partition, now_ms)
            return
        self._stop_leading(key)
        if was is not None and was.leader == me:
            self.awaited.end((topic.topic_id, row.partition_index))
        if me in row.replicas:
            self._follow(key, row)
        elif was is not None and me in was.replicas:
            self._drop_follower(key)
            self._high_watermarks.pop(key, None)
            gone = PartitionKey(topic.topic_id, row.partition_index)
            self.damaged.pop(gone, None)
            self._maker.delete(gone)

    def _await_followers(
        self, topic: TopicImage, was: PartitionRecord | None, row: PartitionRecord, now_ms: int
    ) -> None:
        if was is None or (was.leader, was.leader_epoch) != (row.leader, row.leader_epoch):
            others = [each for each in row.isr if each != self._broker_id]
            self.awaited.begin((topic.topic_id, row.partition_index), others, now_ms)

    def _apply_row(self, partition: Partition, now_ms: int) -> None:
        row = self.image.partition(partition.topic, partition.index)
        assert row is not None, "what went was left before"
        partition.apply(row, self.image.brokers, now_ms, mode=self._mode_of(partition.topic, row))
        self._sync_rest(partition)

    def _mode_of(self, topic: str, row: PartitionRecord) -> CommitMode:
        """The stricter of the mode in force and `synced`, if the partition is to go over to that.

        A barrier stands before it, which only the leader can pass (durability.md 1).
        """
        if row.commit_mode == CommitMode.SYNCED or len(row.replicas) == 1:
            return CommitMode(row.commit_mode)
        if self._judges is None:
            self._judges = Judges(ConfigScope(self.image, self._broker_id, self._static))
        wanted = wanted_mode(row, self._judges.of(topic))
        return wanted if wanted is CommitMode.SYNCED else CommitMode(row.commit_mode)

    def _stop_leading(self, key: Key) -> None:
        partition = self._open.pop(key, None)
        if partition is not None:
            partition.write()  # What this turn has staged belongs to no turn of a follower's.
            self._high_watermarks[key] = partition.high_watermark
            partition.leave(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def _follow_all(self, topics: Iterable[TopicImage]) -> None:
        for topic in topics:
            for row in topic.partitions:
                if self._broker_id in row.replicas and row.leader != self._broker_id:
                    self._follow((topic.name, row.partition_index), row)

    def _follow(self, key: Key, row: PartitionRecord) -> None:
        follower = self._followers.get(key)
        if follower is None:
            self._unopened[key] = None
            return
        follower.apply(row, self._mode_of(follower.topic, row))
        self._sync_rest(follower)
        self._fetch(follower, row)

    def _fetch(self, follower: Follower, row: PartitionRecord) -> None:
        self._note_leader((follower.topic, follower.index), row)
        if row.leader < 0:
            self._fetchers.unfollow(follower)
        else:
            self._fetchers.follow(follower, is_in_isr=self._broker_id in row.isr)

    def _note_leader(self, key: Key, row: PartitionRecord) -> None:
        is_leaderless = row.leader < 0 and self._broker_id in row.replicas
        if is_leaderless or key in self._leaderless:
            self.has_news = True
        (self._leaderless.add if is_leaderless else self._leaderless.discard)(key)

    def _open_follower(self, key: Key, now_ms: int) -> None:
        topic, row = self.image.topic(key[0]), self.image.partition(*key)
        me = self._broker_id
        if topic is None or row is None or me not in row.replicas or row.leader == me:
            return
        self._begin_lost_anew(topic, row)
        kept, _ = self._opened_log(topic, row, now_ms)
        follower = Follower(
            topic.name,
            topic.topic_id,
            row,
            kept,
            self._high_watermarks.pop(key, 0),
            lambda end: self._log_dir.watermarks.lower(
                {PartitionKey(topic.topic_id, row.partition_index): end}
            ),
        )
        follower.apply(row, self._mode_of(topic.name, row))
        self._followers[key] = follower
        self._sync_rest(follower)
        self._fetch(follower, row)

    def _give_up_damaged(self, damaged: PartitionKey, key: Key, row: PartitionRecord) -> None:
        """A damaged replica is as lost, once nobody counts on it."""
        replica = self._open.get(key) or self._followers.get(key)
        reason = self.damaged.get(damaged)
        if reason is None or replica is None:
            return
        self.has_news = True  # Others may be in sync by now.
        if self._is_counted_out(row, told_in=replica.leader_epoch):
            self.lose(replica)
            self._log_dir.quarantine(damaged, reason)

    def _is_counted_out(self, row: PartitionRecord, *, told_in: int) -> bool:
        """Somebody else leads, in an epoch in which this replica has told nothing of itself yet,
        and it may not be elected.

        A leader may put a replica back into the ISR for what it had fetched before it was lost, so
        that the image shows it out of everything is not enough.
        """
        me = self._broker_id
        return (
            row.leader not in (NO_LEADER, me)
            and me not in (*row.isr, *row.elr, *row.last_eligible)
            and row.leader_epoch > told_in
        )

    def _begin_lost_anew(self, topic: TopicImage, row: PartitionRecord) -> None:
        """Delete a lost log that nobody counts on; its replica is copied whole then.

        Raises LogFailure.
        """
        key = PartitionKey(topic.topic_id, row.partition_index)
        reason = self._log_dir.quarantined.get(key)
        told_in = self._lost_in.get(key, NO_EPOCH)
        if reason is None or not self._is_counted_out(row, told_in=told_in):
            return
        log.warning("replica %s-%d begins anew: %s", topic.name, row.partition_index, reason)
        self._maker.delete(key)
        self.has_news = True  # Else each heartbeat goes on to say that it is lost.
        self._lost_in.pop(key, None)
        self._high_watermarks.pop((topic.name, row.partition_index), None)

    def _drop_follower(self, key: Key) -> None:
        self._unopened.pop(key, None)
        follower = self._followers.pop(key, None)
        if follower is not None:
            self._high_watermarks[key] = follower.high_watermark
            self._fetchers.unfollow(follower)
            follower.leave()

    # Logs.

    def _new_in(self, topic: TopicImage) -> list[NewPartition]:
        """The partitions of a topic that have a replica here."""
        return [
            NewPartition(PartitionKey(topic.topic_id, row.partition_index), topic.name)
            for row in topic.partitions
            if self._broker_id in row.replicas
        ]

    def _missing_in(self, topic: TopicImage) -> list[NewPartition]:
        known = self._log_dir.manifest.topics
        return [new for new in self._new_in(topic) if new.key not in known]

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
        try:
            kept, values = self._opened_log(topic, row, now_ms)
        except DamagedLog:
            self.has_news = True
            raise
        partition = Partition(
            topic.name,
            row.partition_index,
            topic.topic_id,
            kept,
            leader_epoch=row.leader_epoch,
            commit_mode=row.commit_mode,
            min_insync_replicas=int(values["min.insync.replicas"]),
            broker_id=self._broker_id,
            high_watermark=self._high_watermarks.pop((topic.name, row.partition_index), 0),
            isr=tuple(row.isr),
        )
        partition.apply(row, self.image.brokers, now_ms, mode=self._mode_of(topic.name, row))
        self._sync_rest(partition)
        return partition

    def _sync_rest(self, replica: Partition | Follower) -> None:
        """A sync under way was begun for the role before, which nobody listens to any more."""
        if replica.log.is_dirty:
            self._sync(replica)

    def _opened_log(
        self, topic: TopicImage, row: PartitionRecord, now_ms: int
    ) -> tuple[PartitionLog, dict[str, str]]:
        """A replica's log and its topic's settings. Raises DiskFull, DamagedLog or LogFailure."""
        values = self._values(topic.name)
        key = PartitionKey(topic.topic_id, row.partition_index)
        self._log_dir.create_partitions([NewPartition(key, topic.name)])
        config = log_config_from_topic(values)
        return self._log_dir.open_partition(key, config, now_ms=now_ms), values

    def _note_configs(self, before: MetadataImage, image: MetadataImage) -> None:
        """Have the replicas looked at whose settings may be others now; see `_mode_of`."""
        keys = {*before.configs, *image.configs}
        changed = {key for key in keys if before.configs.get(key) is not image.configs.get(key)}
        if any(kind == BROKER_RESOURCE for kind, _ in changed):
            self._to_look_at |= dict.fromkeys((*self._open, *self._followers))
            return
        topics = {name for kind, name in changed if kind == TOPIC_RESOURCE}
        for key in (*self._open, *self._followers) if topics else ():
            if key[0] in topics:
                self._to_look_at[key] = None

    def _look_at_some(self, now_ms: int) -> None:
        """Apply what the image says of a few replicas whose rows did not change."""
        configs: dict[str, tuple[LogConfig, int]] = {}
        for _ in range(min(LOOKED_AT_PER_STEP, len(self._to_look_at))):
            key = next(iter(self._to_look_at))
            del self._to_look_at[key]
            if key in self._open or key in self._followers:
                self._look_at(key, configs, now_ms)

    def _look_at(self, key: Key, configs: dict[str, tuple[LogConfig, int]], now_ms: int) -> None:
        found = configs.get(key[0])
        if found is None:
            values = self._values(key[0])
            found = (log_config_from_topic(values), int(values["min.insync.replicas"]))
            configs[key[0]] = found
        partition, follower = self._open.get(key), self._followers.get(key)
        if partition is not None:
            partition.log.config = found[0]
            partition.set_min_insync_replicas(found[1])
            if partition.followers:
                self._apply_row(partition, now_ms)
        elif follower is not None:
            follower.log.config = found[0]
            row = self.image.partition(*key)
            if row is not None and self._mode_of(key[0], row) != follower.commit_mode:
                self._follow(key, row)

    def _values(self, topic: str) -> dict[str, str]:
        scope = ConfigScope(self.image, self._broker_id, self._static)
        expiration = scope.broker_candidates(BROKER_CONFIGS[PRODUCER_EXPIRATION])[0].value
        return {
            **scope.topic_values(self.image.topic_configs(topic)),
            PRODUCER_EXPIRATION: expiration or "",
        }
