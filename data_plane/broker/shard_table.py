"""The shards of one internal topic that this broker leads: loaded in slices, ticked, flushed."""

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from data_plane.broker.shard_host import ShardHost, send_replies
from data_plane.coordinator.group_partition import partition_for
from data_plane.coordinator.shard import Shard
from data_plane.log.failures import DamagedLog
from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import (
    CoordinatorLoadInProgress,
    CoordinatorNotAvailable,
    KafkaError,
    NotCoordinator,
)
from data_plane.protocol.primitives import DecodeError
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Parked

S = TypeVar("S", bound=Shard)
R = TypeVar("R")
OpenPartition = Callable[[str, int], Partition]
OnDamage = Callable[[Partition, DamagedLog], object]

COMMIT_MS_MAX = 5_000  # offset.commit.timeout.ms

log = logging.getLogger(__name__)


class ShardTable(Generic[S]):
    """Shard i is partition i of `topic`; a name's shard is its hash modulo the partition count.

    A shard that lost its log's trust (failed append) is thrown away and loaded anew at the next
    request for it. Times are Unix ms.
    """

    def __init__(
        self,
        topic: str,
        new_shard: Callable[[], S],
        open_partition: OpenPartition,
        mark_dirty: Callable[[Partition], None],
        now_ms: Callable[[], int],
        on_damage: OnDamage,
    ) -> None:
        """on_damage: a log that was being loaded is not what was written."""
        self.topic = topic
        self._new_shard = new_shard
        self._open_partition = open_partition
        self._mark_dirty = mark_dirty
        self._on_damage = on_damage
        self._now_ms = now_ms  # of the turn under way
        self._hosts: dict[int, ShardHost[S]] = {}
        self._host_of: dict[int, ShardHost[S]] = {}  # by id of the shard
        self._loading: dict[int, ShardHost[S]] = {}
        self._broken: dict[int, str] = {}  # partition -> why its records cannot be replayed
        self.unflushed: dict[ShardHost[S], None] = {}  # have records of this turn
        self._due_ms: int | None = None
        self._is_due_known = False

    @property
    def has_work(self) -> bool:
        """A shard is loading: `step` should be called again soon."""
        return bool(self._loading)

    def shard(self, image: MetadataImage, name: str, broker_id: int) -> S:
        """Raises NotCoordinator, CoordinatorNotAvailable or CoordinatorLoadInProgress."""
        topic = image.topic(self.topic)
        if topic is None:
            raise CoordinatorNotAvailable
        index = partition_for(name, len(topic.partitions))
        if topic.partitions[index].leader != broker_id:
            raise NotCoordinator
        return self._loaded(index)

    def shards(self, image: MetadataImage, broker_id: int) -> list[S]:
        topic = image.topic(self.topic)
        if topic is None:
            return []
        led = [row.partition_index for row in topic.partitions if row.leader == broker_id]
        return [self._loaded(index) for index in led]

    def follow(self, image: MetadataImage, broker_id: int) -> None:
        """Unload the shards that are not led here any more, begin to load those that are.

        A shard is loaded at once and not at its first request, which need not wait for it then.
        Whoever is parked in a shard that goes is told NOT_COORDINATOR.
        """
        for index, host in list(self._hosts.items()):
            row = image.partition(self.topic, index)
            # A partition that was left is gone for good, even if this broker leads it again.
            if row is None or row.leader != broker_id or host.partition.is_gone:
                self._drop(host)
        topic = image.topic(self.topic)
        for row in topic.partitions if topic is not None else ():
            if row.leader != broker_id:
                self._broken.pop(row.partition_index, None)  # It may be copied anew meanwhile.
            elif row.partition_index not in self._hosts:
                try:
                    self._begin(row.partition_index)
                except KafkaError:
                    continue  # Quarantined, or in doubt: its names are told, the others served.

    def leave(self, partition: Partition) -> None:
        """Unload the shard that is kept in a partition, if there is one; `follow` loads it anew."""
        host = self._hosts.get(partition.index)
        if host is not None and host.partition is partition:
            self._drop(host)

    def commit(self, shard: S, decision: Decision[R]) -> R | Parked:
        host = self._host_of.get(id(shard))
        if host is None:
            send_replies(decision.replies, is_kept=False)
            raise NotCoordinator
        return self._commit(host, decision)

    def _commit(self, host: ShardHost[S], decision: Decision[R]) -> R | Parked:
        """Every decision of a shard passes here."""
        self._is_due_known = False
        return host.commit(decision, self._now_ms() + COMMIT_MS_MAX)

    def flush(self, now_ms: int) -> None:
        """Append each shard's records of this turn."""
        unflushed, self.unflushed = self.unflushed, {}
        for host in unflushed:
            try:
                host.flush(now_ms)
            except KafkaError:
                self._drop(host)
            else:
                self._mark_dirty(host.partition)

    def check_written(self) -> None:
        """Throw away shards whose last write did not fit on the disk: they know too much."""
        for host in list(self._hosts.values()):
            if host.has_lost_records:
                self._drop(host)

    def step(self, now_ms: int) -> None:
        """Load one slice of one shard: a broker that takes over many loads them one by one.

        The first is served sooner so, and no call takes longer than a slice (durability.md 5).
        """
        self._is_due_known = self._is_due_known and not self._loading
        for index, host in list(self._loading.items())[:1]:
            try:
                is_loaded = host.load_step(now_ms)
            except DamagedLog as error:
                self._drop(host)
                self._broken[index] = str(error)
                self._on_damage(host.partition, error)
                continue
            except (KafkaError, DecodeError) as error:
                log.exception("%s-%d cannot be loaded", self.topic, index)
                self._drop(host)
                self._broken[index] = str(error)
                continue
            if is_loaded:
                self._loaded_whole(index, host)

    def _loaded_whole(self, index: int, host: ShardHost[S]) -> None:
        del self._loading[index]
        self._on_loaded(host)

    def _on_loaded(self, host: ShardHost[S]) -> None:
        """A shard serves from now on."""

    def expire(self, now_ms: int, date_ms: int) -> None:
        """Do what is due in every shard; date_ms: as in `Shard.expire`."""
        due_ms = self.next_due_ms()
        if due_ms is None or due_ms > now_ms:
            return
        self._is_due_known = False
        for host in list(self._hosts.values()):
            due_ms = host.shard.next_due_ms
            if host.shard.is_loaded and due_ms is not None and due_ms <= now_ms:
                self._commit(host, host.shard.expire(now_ms, date_ms))

    def next_due_ms(self) -> int | None:
        """Worked out anew only after something happened in a shard: it is asked every turn."""
        if not self._is_due_known:
            due = [host.shard.next_due_ms for host in self._hosts.values()]
            self._due_ms = min((one for one in due if one is not None), default=None)
            self._is_due_known = True
        return self._due_ms

    def close(self) -> None:
        """The broker stops: whoever is parked in a shard is told to look for another."""
        for host in list(self._hosts.values()):
            self._drop(host)

    def _loaded(self, index: int) -> S:
        host = self._hosts.get(index)
        if host is None:
            host = self._begin(index)
        if index in self._loading:
            raise CoordinatorLoadInProgress
        return host.shard

    def _begin(self, index: int) -> ShardHost[S]:
        if index in self._broken:
            raise CoordinatorNotAvailable(f"coordinator state is unreadable: {self._broken[index]}")
        try:
            partition = self._open_partition(self.topic, index)
        except KafkaError as error:  # Its code is a partition's, which no coordinator API knows.
            raise CoordinatorNotAvailable(error.message) from error
        if partition.is_in_doubt:
            raise NotCoordinator
        host = ShardHost(self._new_shard(), partition, self._mark_unflushed)
        self._hosts[index] = host
        self._host_of[id(host.shard)] = host
        self._loading[index] = host
        self._is_due_known = False
        if host.has_nothing_to_load and host.load_step(self._now_ms()):
            self._loaded_whole(index, host)  # Nobody need wait for what is empty.
        return host

    def _mark_unflushed(self, host: ShardHost[S]) -> None:
        self.unflushed[host] = None

    def _drop(self, host: ShardHost[S]) -> None:
        index = host.partition.index
        self._hosts.pop(index, None)
        self._loading.pop(index, None)
        self.unflushed.pop(host, None)
        self._host_of.pop(id(host.shard), None)
        host.fail()
