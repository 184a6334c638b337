"""Leader side of one partition's replica set: append, read with isolation, high watermark."""

from collections.abc import Callable, Mapping
from uuid import UUID

from data_plane.log.failures import DiskFull
from data_plane.log.leader_epochs import EpochEnd
from data_plane.log.log_slice import LogSlice
from data_plane.log.partition_log import PartitionLog
from data_plane.log.staging_log import StagedAppend
from data_plane.log.sync import SyncTicket
from data_plane.log.time_lookup import TimestampOffset
from data_plane.metadata.commit_rules import effective_min_insync
from data_plane.metadata.records import CommitMode, PartitionRecord, RegisterBrokerRecord
from data_plane.protocol.errors import (
    ErrorCode,
    FencedLeaderEpoch,
    KafkaError,
    NotLeaderOrFollower,
    OffsetOutOfRange,
    PolicyViolation,
    UnknownLeaderEpoch,
    UnknownTopicOrPartition,
)
from data_plane.protocol.hot.fetch import FetchPartition
from data_plane.protocol.records.control import Marker, encode_marker
from data_plane.replication.replicas import Replica, members, node_count
from data_plane.replication.waiting import Committed, OffsetWaiters

UNCHECKED_EPOCH = -1  # what a client sends that does not know leader epochs (KIP-320)
SPREAD_NODES_MIN = 2  # W(I) of durability.md 1

Written = Callable[[bool], None]
Woken = Callable[[], None]


class Partition:
    """One partition this broker leads.

    The high watermark is the promise: it moves by the commit rule of durability.md 1 and never
    falls; append promises nothing. Consumers read below it only.

    isr: I, as committed; `isr_pending`: the change that the controller was asked for, whose members
    count beside those of I. followers: everyone else in the replica set.
    has_enough_replicas: acks=all is taken, and in `spread` mode the watermark may move.
    epoch_start_offset: where the log ended when this broker began to lead; below it there may be
    records that were committed without its knowing, so offsets are not told (KIP-207).
    """

    __slots__ = (
        "_brokers",
        "_counted",
        "_is_frozen",
        "_progress",
        "_replica_progress",
        "_written",
        "broker_id",
        "commit_mode",
        "committed",
        "epoch_start_offset",
        "followers",
        "gone_code",
        "has_enough_replicas",
        "high_watermark",
        "index",
        "is_at_barrier",
        "is_gone",
        "is_in_doubt",
        "isr",
        "isr_pending",
        "leader_epoch",
        "log",
        "min_insync_replicas",
        "partition_epoch",
        "topic",
        "topic_id",
    )

    def __init__(
        self,
        topic: str,
        index: int,
        topic_id: UUID,
        log: PartitionLog,
        *,
        leader_epoch: int,
        commit_mode: int = CommitMode.SYNCED,
        min_insync_replicas: int = 1,
        broker_id: int = 0,
        high_watermark: int = 0,
        isr: tuple[int, ...] | None = None,
    ) -> None:
        """high_watermark: what this broker knew of it as a follower. isr: None: this broker alone;
        where there are others, nothing is promised before `apply` has told of them.
        """
        self.topic = topic
        self.index = index
        self.topic_id = topic_id
        self.log = log
        self.leader_epoch = leader_epoch
        self.commit_mode = commit_mode
        self.min_insync_replicas = min_insync_replicas
        self.broker_id = broker_id
        self.partition_epoch = 0
        self.isr: tuple[int, ...] = (broker_id,) if isr is None else isr
        self.isr_pending: tuple[int, ...] | None = None
        self.followers: dict[int, Replica] = {}
        self._counted: tuple[Replica, ...] = ()  # the followers in M
        self._brokers: Mapping[int, RegisterBrokerRecord] = {}
        self.is_at_barrier = False
        self._is_frozen = False  # A newer leader is known to exist: promise nothing more.
        self.committed = OffsetWaiters()  # wait for the high watermark
        self.high_watermark = max(log.log_start_offset, min(high_watermark, log.log_end_offset))
        log.forget_decided(self.high_watermark)
        self.epoch_start_offset = log.log_end_offset
        self._written: list[tuple[int, Written]] = []  # wait for this turn's write
        self._progress: dict[Woken, None] = {}  # parked fetches, in order of arrival
        self._replica_progress: dict[Woken, Woken] = {}  # followers' sessions; see below
        self.is_gone = False  # deleted or given up; whoever waited has been told
        self.gone_code = ErrorCode.KAFKA_STORAGE_ERROR  # what those are told who wait then
        self.has_enough_replicas = False
        self.is_in_doubt = False  # Others may lead by now; see begin_doubt.
        if self.isr == (broker_id,):
            self._recount()

    def apply(
        self,
        row: PartitionRecord,
        brokers: Mapping[int, RegisterBrokerRecord],
        now_ms: int,
        *,
        mode: int | None = None,
    ) -> None:
        """Take up what the controller has decided; this broker leads in `row`.

        mode: `synced` where the partition is to go over to that, which stops the high watermark
        until every member of I has synced all below it; None: the mode stays.
        """
        is_new_epoch = row.leader_epoch != self.leader_epoch
        if row.partition_epoch != self.partition_epoch or is_new_epoch:
            self.isr_pending = None
        self.leader_epoch, self.partition_epoch = row.leader_epoch, row.partition_epoch
        self.commit_mode, self.isr = row.commit_mode, tuple(row.isr)
        known = self.followers
        self.followers = {
            broker: known.get(broker) or Replica(broker, now_ms)
            for broker in row.replicas
            if broker != self.broker_id
        }
        if is_new_epoch:
            self._is_frozen = False
            self.epoch_start_offset = self.log.log_end_offset
        for replica in self.followers.values():
            known_as = brokers.get(replica.broker_id)
            is_new = known_as is not None and known_as.broker_epoch > replica.broker_epoch
            if is_new_epoch or is_new:  # What an earlier incarnation held may be lost.
                replica.forget(now_ms)
        self._brokers = brokers
        self.is_at_barrier = mode == CommitMode.SYNCED != row.commit_mode
        self._recount()

    def set_min_insync_replicas(self, count: int) -> None:
        """The topic's min.insync.replicas is another now."""
        if count != self.min_insync_replicas:
            self.min_insync_replicas = count
            self._recount()

    @property
    def last_stable_offset(self) -> int:
        """Below it every transaction is decided, by a marker below the high watermark."""
        first = self.log.first_unstable_offset
        if first is None or first >= self.high_watermark:
            return self.high_watermark
        return max(first, self.log.log_start_offset)

    def limit(self, *, is_committed: bool) -> int:
        """What consumers may read up to, exclusive; is_committed: under read_committed."""
        return self.last_stable_offset if is_committed else self.high_watermark

    @property
    def is_catching_up(self) -> bool:
        """The high watermark may still be below what a former leader had told (KIP-207)."""
        return self.high_watermark < self.epoch_start_offset

    def check_epoch(self, leader_epoch: int) -> None:
        """Refuse a client whose view is older (74) or newer (75) than ours; -1 is unchecked."""
        if leader_epoch in (UNCHECKED_EPOCH, self.leader_epoch):
            return
        if leader_epoch < self.leader_epoch:
            raise FencedLeaderEpoch
        raise UnknownLeaderEpoch

    def append(
        self,
        batches: memoryview,
        *,
        now_ms: int,
        is_client: bool = True,
        is_verified: bool = False,
        is_first: bool = False,
    ) -> StagedAppend:
        """Validate and give offsets, in place; `write` follows at the end of the turn.

        is_verified, is_first: see StagingLog.stage.
        Raises KafkaError with the code the client gets, the log then unchanged.
        """
        if self.is_gone:
            raise self._refusal()
        return self.log.stage(
            batches,
            leader_epoch=self.leader_epoch,
            now_ms=now_ms,
            is_client=is_client,
            is_verified=is_verified,
            is_first=is_first,
        )

    def append_marker(
        self, producer_id: int, producer_epoch: int, marker: Marker, *, now_ms: int
    ) -> StagedAppend:
        """End a producer's transaction here, whether it wrote anything here or not.

        Raises InvalidProducerEpoch and TransactionCoordinatorFenced for a marker that comes late.
        """
        self.log.producers.check_marker(
            producer_id, producer_epoch, marker.coordinator_epoch, is_bumping=marker.is_bumping
        )
        batch = encode_marker(
            marker, producer_id=producer_id, producer_epoch=producer_epoch, timestamp_ms=now_ms
        )
        return self.append(memoryview(bytearray(batch)), now_ms=now_ms, is_client=False)

    def read(
        self, offset: int, *, bytes_max: int, at_least_one: bool, is_committed: bool = False
    ) -> LogSlice:
        """Whole batches from the one that holds `offset`, below the high watermark, or the last
        stable offset under read_committed.

        Raises OffsetOutOfRange outside of [log start, log end]; from the high watermark to the log
        end the answer is empty (Kafka: UnifiedLog.read).
        """
        if not self.log.log_start_offset <= offset <= self.log.log_end_offset:
            raise OffsetOutOfRange
        return self.log.read(
            offset,
            bytes_max=bytes_max,
            offset_limit=self.limit(is_committed=is_committed),
            at_least_one=at_least_one,
        )

    def aborted_transactions(self, offset: int, part: LogSlice) -> list[tuple[int, int]]:
        """(producer id, first offset) of what a read_committed reader of `part` must skip."""
        limit = self.last_stable_offset
        found = self.log.aborted_transactions(offset, part, limit)
        return [(one.producer_id, one.first_offset) for one in found]

    def write(self) -> bool:
        """Write what was staged this turn and tell who waits; False if the disk is full.

        Raises LogFailure: the broker must stop, nobody is told anything.
        """
        is_whole = True
        try:
            self.log.write()
        except DiskFull:
            is_whole = False  # What had fitted is in the log; its end tells who is lucky.
        if self.commit_mode != CommitMode.SYNCED:
            self._advance()  # Before those who wait for it hear of the write.
        end = self.log.log_end_offset
        if self._replica_progress:
            for woken in list(self._replica_progress):
                woken()
        written, self._written = self._written, []
        for wanted, callback in written:
            callback(wanted <= end)
        return is_whole

    def when_written(self, end_offset: int, callback: Written) -> None:
        """Call back at the end of this turn: True if the log then reaches `end_offset`."""
        self._written.append((end_offset, callback))

    def outcome(self, *, is_kept: bool, is_all: bool) -> ErrorCode:
        """What a producer is told once its records are written or, with is_all, committed.

        is_kept: what `when_written` or `when_committed` has said. Records that were committed
        while too few replicas were in sync are told by 20, and kept (KIP-966 changes nothing here).
        """
        if not is_kept:
            return self.gone_code
        if is_all and not self.has_enough_replicas:
            return ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
        return ErrorCode.NONE

    def when_committed(self, offset: int, callback: Committed) -> None:
        """Call back True once the high watermark is at least `offset`, False if it never will."""
        if self.is_gone or self.high_watermark >= offset:
            callback(not self.is_gone)
        else:
            self.committed.add(offset, callback)

    def add_progress_waiter(self, woken: Woken) -> None:
        """Call `woken` whenever a watermark moves and when the partition goes."""
        self._progress[woken] = None

    def remove_progress_waiter(self, woken: Woken) -> None:
        self._progress.pop(woken, None)

    def offset_for_timestamp(
        self, timestamp_ms: int, *, is_committed: bool = False
    ) -> TimestampOffset | None:
        """The first record at or after a time that this kind of reader may see."""
        return self.log.offset_for_timestamp(timestamp_ms, self.limit(is_committed=is_committed))

    def offset_of_max_timestamp(self, *, is_committed: bool = False) -> TimestampOffset | None:
        """The first record with the latest time that this kind of reader may see (KIP-734)."""
        return self.log.offset_of_max_timestamp(self.limit(is_committed=is_committed))

    def epoch_end(self, leader_epoch: int) -> EpochEnd:
        """The largest epoch up to `leader_epoch` and its end; -1 and -1 if that is not known.

        Our own epoch is known before its first record, and begins where the log ended then: what
        others wrote in the epochs between that one and the log's last is not here.
        """
        if leader_epoch == self.leader_epoch:
            return EpochEnd(leader_epoch, self.log.log_end_offset)
        found = self.log.epoch_end(leader_epoch)
        latest = self.log.leader_epoch
        if latest < leader_epoch < self.leader_epoch:
            known = latest if latest > UNCHECKED_EPOCH else leader_epoch
            return EpochEnd(known, self.log.log_end_offset)
        return found

    def delete_records_before(self, offset: int) -> int:
        """Let the log begin at `offset`; returns where it begins then.

        Raises OffsetOutOfRange beyond the high watermark, PolicyViolation for a topic whose
        records only compaction may take (KIP-107).
        """
        if not self.log.config.is_deleted:
            raise PolicyViolation("cleanup.policy of this topic does not hold delete")
        if not 0 <= offset <= self.high_watermark:
            raise OffsetOutOfRange
        self.log.delete_records_before(offset)
        return self.log.log_start_offset

    def complete_sync(self, ticket: SyncTicket) -> None:
        """A sync ended well; a stale ticket changes nothing (durability.md 2)."""
        if not self.is_gone and self.log.complete_sync(ticket):
            self._advance()

    # What followers ask, and what is concluded from it.

    def replica(self, broker_id: int, broker_epoch: int) -> Replica:
        """The follower that fetches. Raises NotLeaderOrFollower for a stranger, and for an
        incarnation older than the one that has fetched before (KIP-903)."""
        found = self.followers.get(broker_id)
        if found is None or broker_epoch < found.broker_epoch:
            raise NotLeaderOrFollower
        found.broker_epoch = broker_epoch
        return found

    def check_replica_epoch(self, leader_epoch: int) -> None:
        """As `check_epoch`; a follower that knows a newer leader tells that this one is deposed."""
        if leader_epoch > self.leader_epoch:
            self.freeze()
        self.check_epoch(leader_epoch)

    def freeze(self) -> None:
        """Someone else leads by now: promise nothing until the image says what is the case."""
        self._is_frozen = True

    def diverging(self, wanted: FetchPartition) -> EpochEnd | None:
        """Where a follower's last epoch ended here, if it must truncate before it may go on.

        Raises OffsetOutOfRange if its epoch is older than all that is known here.
        Source: KIP-595; Kafka's Partition.readRecords.
        """
        if wanted.last_fetched_epoch < 0:
            return None
        found = self.epoch_end(wanted.last_fetched_epoch)
        if found.end_offset < 0:
            raise OffsetOutOfRange
        is_same = found.leader_epoch == wanted.last_fetched_epoch
        return None if is_same and found.end_offset >= wanted.fetch_offset else found

    def read_for_replica(self, offset: int, *, bytes_max: int, at_least_one: bool) -> LogSlice:
        """As `read`, to the log's end. Raises OffsetOutOfRange."""
        return self.log.read(
            offset,
            bytes_max=bytes_max,
            offset_limit=self.log.log_end_offset,
            at_least_one=at_least_one,
        )

    def fetched_by(self, replica: Replica, offset: int, *, is_synced: bool, now_ms: int) -> None:
        """A follower has everything before `offset`: the high watermark may move."""
        replica.fetched(
            offset, leader_end=self.log.log_end_offset, is_synced=is_synced, now_ms=now_ms
        )
        self._advance()

    def note_append_time(self, now_ms: int) -> None:
        """Records are about to be written: who holds all there is, is behind from now on only."""
        end = self.log.log_end_offset
        for replica in self.followers.values():
            if replica.end_offset == end:
                replica.caught_up_ms = now_ms

    def wanted_isr(self, now_ms: int, lag_ms_max: int) -> tuple[int, ...] | None:
        """The ISR that ought to be, None if it is as it is or a change of it is pending.

        Out go those that have been behind for longer than `lag_ms_max`; in come those that hold
        all below the high watermark and all from before this leader epoch (durability.md 1).
        """
        if self.isr_pending is not None or self.is_gone or self._is_frozen:
            return None
        end, isr = self.log.log_end_offset, self.isr
        wanted = [
            broker
            for broker in (self.broker_id, *self.followers)
            if broker == self.broker_id
            or (
                self.followers[broker].is_in_time(end, now_ms, lag_ms_max)
                if broker in isr
                else self._may_join(self.followers[broker])
            )
        ]
        if set(wanted) == set(isr):
            return isr if self.has_passed_barrier else None
        return tuple(wanted)

    @property
    def has_passed_barrier(self) -> bool:
        """Every member of I has on disk what is committed: the mode may become `synced`.

        A new leader's high watermark may be below what a former one had told; that is all below
        where its epoch starts.
        """
        committed = max(self.high_watermark, self.epoch_start_offset)
        if not self.is_at_barrier or self.log.synced_offset < committed:
            return False
        members = [r for b, r in self.followers.items() if b in self.isr]
        return all(one.synced_offset >= committed for one in members)

    @property
    def syncs_at_once(self) -> bool:
        """Commits, or the barrier, wait for what is synced."""
        return self.commit_mode == CommitMode.SYNCED or self.is_at_barrier

    def _may_join(self, replica: Replica) -> bool:
        reached = replica.synced_offset if self.syncs_at_once else replica.end_offset
        known_as = self._brokers.get(replica.broker_id)
        if known_as is None or not known_as.is_active:
            return False
        return reached >= max(self.high_watermark, self.epoch_start_offset)

    def propose_isr(self, isr: tuple[int, ...]) -> None:
        """The controller is asked for another ISR: its members count from now on."""
        self.isr_pending = isr
        self._recount()

    def withdraw_isr(self) -> None:
        """The controller has refused for good: nothing has changed."""
        self.isr_pending = None
        self._recount()

    def add_replica_waiter(self, appended: Woken, moved: Woken) -> None:
        """Call `appended` when records were written, `moved` when only watermarks have changed.

        A follower need not hear of a watermark at once, so that a record costs it one fetch.
        """
        self._replica_progress[appended] = moved

    def remove_replica_waiter(self, appended: Woken) -> None:
        self._replica_progress.pop(appended, None)

    def leave(self, code: ErrorCode = ErrorCode.KAFKA_STORAGE_ERROR) -> None:
        """The partition is deleted or led elsewhere: everyone who waits learns it now."""
        self.is_gone = True
        self.gone_code = code
        written, self._written = self._written, []
        for _, callback in written:
            callback(False)
        self.committed.fail()
        self.tell_progress()
        for woken in list(self._replica_progress):
            woken()

    def begin_doubt(self) -> None:
        """Others may lead by now, as far as this broker can know: whoever waits is sent to them.

        Nothing else changes: what is written stays, and counts if this broker still leads.
        """
        self.is_in_doubt = True
        code, self.gone_code = self.gone_code, ErrorCode.NOT_LEADER_OR_FOLLOWER
        self.committed.fail()
        self.gone_code = code
        self.tell_progress()

    def _refusal(self) -> KafkaError:
        if self.gone_code is ErrorCode.NOT_LEADER_OR_FOLLOWER:
            return NotLeaderOrFollower()
        return UnknownTopicOrPartition()

    def _recount(self) -> None:
        """Someone else is in I or M, or min.insync.replicas is another."""
        counted = members(self.isr, self.isr_pending)
        self._counted = tuple(r for b, r in self.followers.items() if b in counted)
        needed = effective_min_insync(self.min_insync_replicas, 1 + len(self.followers))
        is_enough = len(self.isr) >= needed
        if self.commit_mode == CommitMode.SPREAD:
            is_enough = is_enough and node_count(self.isr, self._brokers) >= SPREAD_NODES_MIN
        self.has_enough_replicas = is_enough
        self._advance()

    def _advance(self) -> None:
        """The commit rule (durability.md 1); the watermark never falls."""
        log = self.log
        if self.commit_mode == CommitMode.SYNCED:
            reached = log.synced_offset
            for replica in self._counted:
                reached = min(reached, replica.synced_offset)
        else:
            if self.commit_mode == CommitMode.SPREAD and not self.has_enough_replicas:
                return
            reached = log.log_end_offset
            for replica in self._counted:
                reached = min(reached, replica.end_offset)
        if reached > self.high_watermark and not (self._is_frozen or self.is_at_barrier):
            self.high_watermark = reached
            log.forget_decided(reached)
            self.committed.advance(reached)
            if self._progress or self._replica_progress:
                self.tell_progress()

    def tell_progress(self) -> None:
        """Something that readers are told of has moved: wake them, mark it in their sessions."""
        for woken in list(self._progress):
            woken()
        if self._replica_progress:
            for moved in list(self._replica_progress.values()):
                moved()
