"""One broker without sockets: logs, metadata, coordinators, and what waits for them."""

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Protocol, TypeVar
from uuid import UUID

from data_plane.broker.admin_access import broker_flag, broker_number, config_scope
from data_plane.broker.awaited_fetches import AwaitedFetches
from data_plane.broker.client_quotas import BrokerQuotas
from data_plane.broker.config import BrokerConfig
from data_plane.broker.context import RequestContext
from data_plane.broker.coordinators import Coordinators
from data_plane.broker.dates import Dates
from data_plane.broker.doubts import Doubts
from data_plane.broker.fetch_sessions import FetchSessions
from data_plane.broker.forwarding import Forwarding, Remembered
from data_plane.broker.group_access import CoordinatorNode
from data_plane.broker.joining_writes import JoiningWrites
from data_plane.broker.log_maker import LogMaker
from data_plane.broker.metadata_cache import MetadataCache
from data_plane.broker.metadata_port import Metadata
from data_plane.broker.metrics import BrokerMetrics
from data_plane.broker.producer_id_blocks import ProducerIdBlocks
from data_plane.broker.replica_table import ReplicaTable
from data_plane.broker.scrub import Scrub
from data_plane.broker.static_configs import static_configs
from data_plane.broker.upkeep import Upkeep
from data_plane.broker.watermark_cycle import WatermarkCycle
from data_plane.coordinator.groups_shard import GroupsShard
from data_plane.coordinator.transactions_shard import TransactionsShard
from data_plane.log.disk_space import DiskMark
from data_plane.log.failures import DamagedLog, LogFailure
from data_plane.log.log_config import LogConfig
from data_plane.log.log_dir import LogDir
from data_plane.log.manifest import PartitionKey
from data_plane.metadata.controller import Controller
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import INTERNAL_TOPICS, MetadataImage
from data_plane.protocol.errors import (
    ErrorCode,
    KafkaError,
    StorageError,
    UnknownTopicId,
)
from data_plane.protocol.hot.fields import TopicKey
from data_plane.protocol.messages.fetch import FetchRequestReplicaState
from data_plane.replication.cleaners import Cleaner, InlineCleaner
from data_plane.replication.executor import Executor
from data_plane.replication.fetcher import Fetchers
from data_plane.replication.follower import Follower
from data_plane.replication.isr_changes import IsrChanges
from data_plane.replication.partition import Partition
from data_plane.replication.peers import NoPeers, Peers
from data_plane.replication.sync_cycle import SyncCycle
from data_plane.replication.waiting import Deadlines, Parked
from data_plane.security.acls import AclAuthorizer, AclOperation, ResourceType

R = TypeVar("R")

DISK_INTERVAL_MS = 1_000
TIME_MARK_MS = 3_600_000
# Of one partition at a time: who is put off to flush.ms could make a second's worth durable at
# once, and whoever shares the disk waits for all of it (A8: 190 MB, 200 ms).
UNSYNCED_BYTES_MAX = 8 * 1024 * 1024

log = logging.getLogger(__name__)


class TopicAuthorizationFailed(KafkaError):
    default_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED


class Retryable(Protocol):
    """A parked request that looks again when something it waits for has moved."""

    def retry(self) -> None: ...

    def complete(self, response: object) -> bool: ...


class Broker:
    """Composition of a broker; every method returns at once and is called on one thread.

    A turn: any number of requests, then `end_turn`, which writes once per dirty partition and
    starts what must be synced. Whoever waits is told through `Parked`.
    on_failure: the disk failed; the caller marks it and ends the process (durability.md 2).
    """

    def __init__(
        self,
        config: BrokerConfig,
        log_dir: LogDir,
        metadata: Metadata,
        executor: Executor,
        *,
        rng: Random,
        now_ms: int,
        on_failure: Callable[[BaseException], None],
        cleaner: Cleaner | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.config = config
        self.log_dir = log_dir
        self.metadata = metadata
        self.rng = rng
        self.metrics = BrokerMetrics()
        self.now_ms = now_ms  # of the turn under way
        self.has_new_dates = True  # `next_due_ms` may be sooner than it was when last looked at
        limits = config.limits
        self.fetch_sessions = FetchSessions(
            limits.fetch_sessions_max, limits.fetch_session_partitions_max, rng
        )
        self.metadata_cache = MetadataCache(limits.metadata_cache_bytes_max)
        self._executor = executor
        self._on_failure = on_failure
        self._has_failed = False
        self._deadlines = Deadlines()
        self._dirty: dict[Partition, None] = {}
        self._woken: dict[Retryable, None] = {}
        self._disk_due_ms = now_ms
        self.dates = Dates(now_ms, log_dir.last_used_ms)
        self._time_mark_due_ms = now_ms + TIME_MARK_MS
        self._sliced: deque[Iterator[object]] = deque()
        self.peers = peers or NoPeers(lambda act: executor.submit([], lambda _: act()))
        self.forwarding = None if peers is None else Forwarding(self, config.broker_id, rng)
        self.remembered = Remembered()
        self.producer_ids = ProducerIdBlocks(self, config.broker_id)
        self.joining_writes = JoiningWrites()
        self._fetchers = Fetchers(self.peers, self)
        self._isr_changes = IsrChanges(self.peers, self)
        self._maker = LogMaker(log_dir, executor, self.fail)
        self._partitions = ReplicaTable(
            log_dir,
            config.broker_id,
            static_configs(config),
            self._fetchers,
            self._sync_by_mode,
            self._maker,
        )
        self._syncs = SyncCycle(
            log_dir.files, executor, on_synced=self._synced, on_failure=self.fail
        )
        self.coordinators = Coordinators(
            self, config.broker_id, lambda image: config_scope(self, image), rng
        )
        self.doubts = Doubts(self.coordinators)
        self.authorizer = self._authorizer_of(self.image)
        self.quotas = BrokerQuotas(self.image.client_quotas)
        self._lag_of: MetadataImage | None = None
        self._lag_ms_max = 0
        scope = config_scope(self, self.image)
        self._upkeep = Upkeep(
            self,
            executor,
            cleaner or InlineCleaner(log_dir.files),
            retention_interval_ms=broker_number(scope, "log.retention.check.interval.ms"),
            cleaning_interval_ms=broker_number(scope, "log.cleaner.backoff.ms"),
            now_ms=now_ms,
        )
        self._scrub = Scrub(self, now_ms)
        self._partitions.start(self.image)
        self._watermarks = WatermarkCycle(
            log_dir,
            executor,
            rows=self._partitions.high_watermarks,
            on_failure=self.fail,
            now_ms=now_ms,
        )
        metadata.attach(self._on_image, self._run_woken)

    def recover(self) -> Iterator[object]:
        """After a stop that was not clean: each step reopens one partition; all before serving."""
        configs: dict[UUID, LogConfig] = {}  # Reading a topic's takes longer than an empty log.

        def config_of(key: PartitionKey) -> LogConfig:
            found = configs.get(key.topic_id)
            if found is None:
                found = configs[key.topic_id] = self._partitions.config_of(key)
            return found

        yield from self.log_dir.recover(config_of, now_ms=self.now_ms)
        self.coordinators.follow()

    # --- what handlers ask ---------------------------------------------------------------------

    @property
    def image(self) -> MetadataImage:
        """Committed metadata, all that clients may see."""
        return self.metadata.image

    @property
    def controller_id(self) -> int | None:
        """Broker id of the active controller; None while this broker knows of none."""
        return self.metadata.controller_id

    @property
    def cluster_id(self) -> str:
        return self.config.cluster_id

    def is_internal(self, topic: str) -> bool:
        return topic in INTERNAL_TOPICS

    def check_topic(self, ctx: RequestContext, operation: AclOperation, topic: str) -> None:
        """Raises TopicAuthorizationFailed, whether the topic exists or not."""
        if not self.authorizer.allows(
            ctx.principal, operation, ResourceType.TOPIC, topic, ctx.client_host
        ):
            raise TopicAuthorizationFailed

    @property
    def takes_plain_produces(self) -> bool:
        """No quota is to be charged and there is room: nothing to ask but the topic itself."""
        return self.quotas.is_idle_for_produce and self.log_dir.disk_mark != DiskMark.FULL

    def check_disk(self) -> None:
        """Raises StorageError while the disk is too full for client writes (durability.md 2)."""
        if self.log_dir.disk_mark == DiskMark.FULL:
            raise StorageError("the disk is almost full; deleting topics and reading go on")

    def topic_name(self, topic: TopicKey) -> str:
        """The name of a topic asked for by name or id. Raises UnknownTopicId."""
        if isinstance(topic, str):
            return topic
        name = self.image.topic_names.get(topic)
        if name is None:
            raise UnknownTopicId
        return name

    @property
    def awaited(self) -> AwaitedFetches:
        """Whose first fetch is awaited where this broker has just begun to lead."""
        return self._partitions.awaited

    def partition(self, topic: str, index: int) -> Partition:
        """A partition led here, opened at its first use.

        Raises UnknownTopicOrPartition, NotLeaderOrFollower or StorageError.
        """
        return self._partitions.get(topic, index, self.now_ms)

    def made_partition(self, topic: str, index: int) -> Partition:
        """As `partition`; NotLeaderOrFollower too while its log is being made."""
        return self._partitions.get_made(topic, index, self.now_ms)

    def quarantine(self, replica: Partition | Follower, error: DamagedLog) -> None:
        """Take a replica out of service: its stored bytes are not what they were."""
        if replica.is_gone:
            return
        log.error("partition %s-%d is quarantined: %s", replica.topic, replica.index, error)
        self._partitions.lose(replica)
        self.log_dir.quarantine(PartitionKey(replica.topic_id, replica.index), str(error))

    def found_damage(self, replica: Partition | Follower, error: DamagedLog) -> ErrorCode:
        """Some of what is stored is not what was written; what to tell who wanted to read it.

        Another one in sync takes over, if the controller knows of one, and this replica begins
        anew. Where there is none, whatever is whole is served on.
        """
        key = PartitionKey(replica.topic_id, replica.index)
        if key not in self._partitions.damaged:
            log.error("partition %s-%d is damaged: %s", replica.topic, replica.index, error)
            self._partitions.damage(replica, str(error))
        is_for_a_while = self._has_stand_in(replica)
        return ErrorCode.KAFKA_STORAGE_ERROR if is_for_a_while else ErrorCode.CORRUPT_MESSAGE

    @property
    def damaged(self) -> Collection[PartitionKey]:
        """Partitions of which some is not what was written, and no other replica has taken over."""
        return self._partitions.damaged.keys()

    def _has_stand_in(self, replica: Partition | Follower) -> bool:
        row = self.image.partition(replica.topic, replica.index)
        others = () if row is None else row.isr
        active = self.image.active_brokers()
        return any(each != self.broker_id and each in active for each in others)

    # --- coordinators --------------------------------------------------------------------------

    def group_coordinator(self, group_id: str, listener: str) -> CoordinatorNode:
        """Who coordinates the group; has the offsets topic created if there is none.

        Raises CoordinatorNotAvailable while the topic or its leader is not there yet.
        """
        return self.coordinators.group_node(group_id, listener)

    def transaction_coordinator(self, transactional_id: str, listener: str) -> CoordinatorNode:
        """Who coordinates the transactional id; else as `group_coordinator`."""
        return self.coordinators.transaction_node(transactional_id, listener)

    def internal_topics_created(self) -> Parked | None:
        """Done once the internal topics that are being created are there; None if none is."""
        return self.coordinators.topics_created()

    def group_shard(self, group_id: str) -> GroupsShard:
        """The group's shard; raises NotCoordinator, CoordinatorNotAvailable or LoadInProgress."""
        return self.coordinators.group_shard(group_id)

    def group_shards(self) -> Sequence[GroupsShard]:
        """Every group shard led here; raises as `group_shard`."""
        return self.coordinators.group_shards()

    def commit(self, shard: GroupsShard | TransactionsShard, decision: Decision[R]) -> R | Parked:
        """Append a shard's records and replay them; answers once committed (durability.md 4)."""
        return self.coordinators.commit(shard, decision)

    def decide(self, choose: Callable[[Controller], Decision[R]]) -> R | Parked:
        """Have the active controller decide; answers once committed. Raises NotController."""
        return self.metadata.decide(choose)

    # --- waiting -------------------------------------------------------------------------------

    def park(self, parked: Parked) -> None:
        """Watch a parked request's deadline."""
        self.has_new_dates = True
        self._deadlines.add(parked)

    def wake(self, waiting: Retryable) -> None:
        """Have a parked request look again at the end of this turn, once."""
        self.has_new_dates = True  # Who knows what it will ask for.
        self._woken[waiting] = None

    def mark_dirty(self, partition: Partition) -> None:
        """The partition has something staged, or someone who waits for this turn's write."""
        self._dirty[partition] = None

    def in_slices(self, steps: Iterator[object]) -> None:
        """Have long work done a step per tick, each of 5 ms at most (durability.md 5)."""
        self._sliced.append(steps)

    def _do_slice(self) -> None:
        """One step of one piece of work, then another's: none waits for all of another."""
        if not self._sliced:
            return
        steps = self._sliced.popleft()
        try:
            next(steps)
        except StopIteration:
            return
        except Exception:
            log.exception("work in slices has failed")
            return
        self._sliced.append(steps)

    # --- turns and time ------------------------------------------------------------------------

    def end_turn(self, now_ms: int) -> None:
        """Write what was staged, start syncs and persists, wake who waits."""
        self.now_ms = now_ms
        groups, transactions = self.coordinators.groups, self.coordinators.transactions
        if groups.unflushed or transactions.unflushed:
            self._flush(now_ms)
        while self._dirty:
            self._write()
            if groups.unflushed or transactions.unflushed:  # A write may have let them go on.
                self._flush(now_ms)
        self.metadata.pump()
        if self._syncs.dirty:
            self._syncs.start()
        if self._woken:
            self._run_woken()
        if self.forwarding is not None:
            self.forwarding.step(now_ms)
        if self._isr_changes.wanted:
            self._isr_changes.step(now_ms)
        if self._fetchers.by_leader:
            self._fetchers.step(now_ms)
        if self._partitions.has_news:
            self.metadata.tell_ends(self._partitions.ends())

    def _flush(self, now_ms: int) -> None:
        self.has_new_dates = True
        self.coordinators.flush(now_ms)

    def tick(self, now_ms: int) -> None:
        """Do what is due: deadlines, upkeep, coordinators' timers; then end the turn."""
        self.now_ms = now_ms
        for parked in self._deadlines.pop_due(now_ms):
            answer_or_fail(parked, parked.expire)
        try:
            self._look_after_disk(now_ms)
            self._mark_time(now_ms)
            self._watermarks.tick(now_ms)
            self._upkeep.step(
                now_ms, self.dates.deletion_ms(now_ms)
            )  # Before anybody stages: it rolls segments.
            self._partitions.step(now_ms)
            if self._maker.has_deleted:
                self._maker.has_deleted = False
                self.unlink_garbage()
        except LogFailure as error:
            self.fail(error)
            raise
        self._do_slice()
        self.metadata.tick(now_ms)
        self.coordinators.tick(now_ms)
        self._isr_changes.look_at(self._partitions, now_ms)
        self.doubts.look(self._partitions, now_ms, is_unheard=self.metadata.is_unheard)
        self._syncs.mark_due(now_ms)
        self.end_turn(now_ms)

    @property
    def next_due_ms(self) -> int:
        """When `tick` has something to do, Unix milliseconds; 0: at once.

        Asking everybody costs as much as a small request, so whatever may bring a date forward sets
        `has_new_dates`: every turn but one of plain produces does.
        """
        if self._sliced:
            return 0
        soonest_ms = min(self._upkeep.next_due_ms, self._disk_due_ms)
        for due_ms in (
            self._deadlines.next_due_ms,
            self.coordinators.next_due_ms(),
            self._syncs.next_due_ms,
            self.metadata.next_due_ms,
            self._partitions.next_due_ms,
            self._fetchers.next_due_ms,
            self._isr_changes.next_due_ms,
            None if self.forwarding is None else self.forwarding.next_due_ms,
        ):
            if due_ms is not None and due_ms < soonest_ms:  # A loop: it is asked every turn.
                soonest_ms = due_ms
        return soonest_ms

    def fail(self, error: BaseException) -> None:
        """Storage broke its promise: the process ends, nothing more is acknowledged."""
        self._has_failed = True
        self._on_failure(error)

    def look_at_wall(self, now_ms: int, wall_ms: int) -> None:
        """Hear what the wall clock says; about once a second."""
        self.dates.look(now_ms, wall_ms)
        self.log_dir.set_wall_ahead(max(0, wall_ms - now_ms))

    def _mark_time(self, now_ms: int) -> None:
        if now_ms < self._time_mark_due_ms:
            return
        self._time_mark_due_ms = now_ms + TIME_MARK_MS
        with suppress(OSError):  # No room for a note: an older one makes the next start doubt more.
            job = self.log_dir.mark_time(self.dates.deletion_ms(now_ms))
            self._executor.submit([job], self._time_marked)

    def _time_marked(self, error: BaseException | None) -> None:
        if error is not None:
            self.fail(error)  # A sync that failed may have dropped more than this file.

    def _look_after_disk(self, now_ms: int) -> None:
        if now_ms >= self._disk_due_ms:
            self._disk_due_ms = now_ms + DISK_INTERVAL_MS
            self.log_dir.era.number = now_ms // DISK_INTERVAL_MS
            self._scrub.step(now_ms)
            self._update_disk_mark()
            self.metadata.retry()  # The mark may just have given the ballast's room back.

    def _update_disk_mark(self) -> None:
        before = self.log_dir.disk_mark
        with suppress(OSError):  # The ballast does not fit: the mark is known all the same.
            self.log_dir.update_disk_mark()
        if self.log_dir.disk_mark != before:
            log.warning("disk is %s", self.log_dir.disk_mark.name)

    # --- replicas ------------------------------------------------------------------------------

    @property
    def broker_id(self) -> int:
        return self.config.broker_id

    @property
    def broker_epoch(self) -> int:
        """This incarnation's, as the image knows it; -1 before that."""
        known = self.image.brokers.get(self.config.broker_id)
        return -1 if known is None else known.broker_epoch

    @property
    def replica_state(self) -> FetchRequestReplicaState:
        """Who fetches from other leaders (KIP-903)."""
        return FetchRequestReplicaState(self.broker_id, self.broker_epoch)

    @property
    def lag_ms_max(self) -> int:
        """How long a member of an ISR may be behind."""
        if self._lag_of is not self.image:  # Asked at each fetch of a follower.
            self._lag_of = self.image
            self._lag_ms_max = broker_number(
                config_scope(self, self.image), "replica.lag.time.max.ms"
            )
        return self._lag_ms_max

    @property
    def may_copy(self) -> bool:
        """There is room for more than this broker's own duties (durability.md 2)."""
        return self.log_dir.disk_mark != DiskMark.FULL

    @property
    def followers(self) -> Mapping[tuple[str, int], Follower]:
        """The replicas that are copied here; to be read only."""
        return self._partitions.followers

    def followed(self, partition: Partition) -> None:
        """A follower has shown where it is."""
        if len(partition.isr) <= len(partition.followers) or partition.is_at_barrier:
            self._isr_changes.consider(partition)

    def copied(self, follower: Follower) -> None:
        """A follower's log was written."""
        self._sync_by_mode(follower)

    def stopped(self, follower: Follower, why: str) -> None:
        """A replica that may not go on copying: its leader will drop it from the ISR."""
        log.error("replica %s-%d stops copying: %s", follower.topic, follower.index, why)
        self._partitions.stop(follower)

    def unreadable(self, follower: Follower, error: DamagedLog) -> None:
        """A replica cannot be copied to: what it holds cannot be read."""
        self.quarantine(follower, error)

    # --- upkeep --------------------------------------------------------------------------------

    def apply_retention(self) -> None:
        """Have the next ticks drop what has expired, whatever the interval."""
        self._upkeep.apply_retention()

    def keys_with_records(self) -> Sequence[tuple[str, int]]:
        """The partitions led here that hold anything, open or not."""
        return self._partitions.keys_with_records()

    def compacted_keys_with_records(self) -> Sequence[tuple[str, int]]:
        """The replicas here, led or copied, that hold anything of compacted topics."""
        return self._partitions.compacted_keys_with_records()

    def replica_keys_with_records(self) -> Sequence[tuple[str, int]]:
        """The replicas here, led or copied, that hold anything."""
        return self._partitions.replica_keys_with_records()

    def kept_partition(self, key: tuple[str, int]) -> Partition | Follower | None:
        """Open a partition for upkeep; None if it went. Raises as `partition`."""
        row = self.image.partition(*key)
        if row is None or row.leader == self.broker_id:
            return None if row is None else self.partition(*key)
        return self.followers.get(key)

    def mark_unsynced(self, partition: Partition | Follower) -> None:
        """Its files changed, and nobody waits for the sync; it may begin elsewhere now."""
        self._syncs.mark(partition)
        partition.tell_progress()

    def deleted_from(self, partition: Partition) -> None:
        """A partition's log begins later now."""
        self.mark_unsynced(partition)
        self.unlink_garbage()

    def unlink_garbage(self) -> None:
        """Unlinking large files takes long: it is the executor's work."""
        job = self.log_dir.garbage_job()
        if job is not None:
            self._executor.submit([job], self._unlinked)

    def _unlinked(self, error: BaseException | None) -> None:
        if error is not None:
            log.warning("could not remove deleted files: %s", error)

    @property
    def is_idle(self) -> bool:
        """Everything written is synced, every proposal committed."""
        return self._syncs.is_idle and self.metadata.is_idle

    def close(self) -> None:
        """A clean stop, unless storage has failed; `is_idle` should be true. Raises LogFailure."""
        self.coordinators.close()
        self._upkeep.close()
        if self._has_failed:  # A sync of now would not tell what an earlier one has dropped.
            self.log_dir.close(is_clean=False)
            return
        with suppress(OSError):
            self.log_dir.mark_time(self.dates.deletion_ms(self.now_ms))()
        self._watermarks.close()
        self.log_dir.close(is_clean=True, broker_epoch=self.broker_epoch)

    def open_partitions(self) -> Sequence[Partition]:
        return self._partitions.open_ones()

    def _write(self) -> None:
        dirty, self._dirty = self._dirty, {}
        is_full = False
        for partition in dirty:
            if partition.is_gone:
                continue
            if partition.followers:
                partition.note_append_time(self.now_ms)
            try:
                is_full |= not partition.write()
            except Exception as error:  # LogFailure, or worse: nothing may be acknowledged now.
                self.fail(error)
                raise
            if partition.log.is_dirty:
                self._sync_by_mode(partition)
        if is_full:
            self._update_disk_mark()
            self.has_new_dates = True
            self.coordinators.check_written()

    def _synced(self) -> None:
        """What waited for a sync goes on: answers, and the fetches of what was copied."""
        self._run_woken()
        self._fetchers.step(self.now_ms)

    def _sync_by_mode(self, partition: Partition | Follower) -> None:
        """Commits wait for the sync in `synced` mode; else it comes by flush.ms (durability.md 1),
        or before, when there is much to sync.

        A partition that changes its mode with something put off is synced at that time.
        """
        if partition.syncs_at_once or partition.log.unsynced_bytes >= UNSYNCED_BYTES_MAX:
            self._syncs.mark(partition)
        elif partition not in self._syncs.later:
            self.has_new_dates = True
            self._syncs.mark_later(partition, self.now_ms + partition.log.config.flush_ms)

    def _run_woken(self) -> None:
        while self._woken:
            woken, self._woken = self._woken, {}
            for waiting in woken:
                answer_or_fail(waiting, waiting.retry)

    # --- metadata ------------------------------------------------------------------------------

    def _on_image(self, before: MetadataImage, after: MetadataImage) -> None:
        if before.brokers is not after.brokers:
            self._forget_processes(before, after)
        if before.acls is not after.acls:
            self.authorizer = self._authorizer_of(after)
        if before.client_quotas is not after.client_quotas:
            self.quotas.apply(after.client_quotas)
        if before.configs is not after.configs:
            scope = config_scope(self, after)
            self._upkeep.clean_every(broker_number(scope, "log.cleaner.backoff.ms"))
        try:
            self._partitions.apply(after, self.now_ms)
        except LogFailure as error:
            self.fail(error)
            raise
        if self.awaited.has_begun:
            self.awaited.has_begun = False
            self.fetch_sessions.wake_replicas()
        gone = [name for name in before.topics if name not in after.topics]
        for name in gone:
            self.metrics.forget_topic(name)
        self.coordinators.forget_topics(gone)
        self.coordinators.tell_created()
        self.unlink_garbage()
        self.coordinators.follow()

    def _forget_processes(self, before: MetadataImage, after: MetadataImage) -> None:
        """Wait for no answer of a broker's process that is gone: a follower would not copy."""
        for broker_id, was in before.brokers.items():
            now = after.brokers.get(broker_id)
            if now is None or now.incarnation_id != was.incarnation_id:
                self.peers.forget(broker_id)

    def _authorizer_of(self, image: MetadataImage) -> AclAuthorizer:
        scope = config_scope(self, image)
        return AclAuthorizer(
            image.acls.values(),
            super_users=self.config.super_users,
            allow_everyone_if_no_acl_found=broker_flag(scope, "allow.everyone.if.no.acl.found"),
        )


def answer_or_fail(waiting: Retryable | Parked, answer: Callable[[], object]) -> None:
    """A bug while answering one parked request closes its connection, no other's."""
    try:
        answer()
    except Exception:
        log.exception("a parked request could not be answered")
        waiting.complete(KafkaError())
