"""Leader side of one partition's replica set: append, read with isolation, high watermark."""

from collections.abc import Callable
from uuid import UUID

from data_plane.log.failures import DiskFull
from data_plane.log.leader_epochs import EpochEnd
from data_plane.log.partition_log import LogSlice, PartitionLog, StagedAppend
from data_plane.log.sync import SyncTicket
from data_plane.log.time_lookup import TimestampOffset
from data_plane.metadata.records import CommitMode
from data_plane.protocol.errors import (
    FencedLeaderEpoch,
    OffsetOutOfRange,
    PolicyViolation,
    UnknownLeaderEpoch,
    UnknownTopicOrPartition,
)
from data_plane.protocol.records.control import Marker, encode_marker
from data_plane.replication.waiting import Committed, OffsetWaiters

UNCHECKED_EPOCH = -1  # what a client sends that does not know leader epochs (KIP-320)

Written = Callable[[bool], None]
Woken = Callable[[], None]


class Partition:
    """One partition this broker leads.

    The high watermark is the promise (durability.md 1): in `synced` mode with one replica it is the
    synced offset; append promises nothing. Consumers read below it only.
    """

    __slots__ = (
        "_is_gone",
        "_progress",
        "_written",
        "commit_mode",
        "committed",
        "high_watermark",
        "index",
        "leader_epoch",
        "log",
        "min_insync_replicas",
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
    ) -> None:
        self.topic = topic
        self.index = index
        self.topic_id = topic_id
        self.log = log
        self.leader_epoch = leader_epoch
        self.commit_mode = commit_mode
        self.min_insync_replicas = min_insync_replicas
        self.committed = OffsetWaiters()  # wait for the high watermark
        self.high_watermark = log.log_start_offset
        self._written: list[tuple[int, Written]] = []  # wait for this turn's write
        self._progress: dict[Woken, None] = {}  # parked fetches, in order of arrival
        self._is_gone = False
        self._advance()

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
    def is_gone(self) -> bool:
        """Deleted or given up; whoever waited has been told."""
        return self._is_gone

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
    ) -> StagedAppend:
        """Validate and give offsets, in place; `write` follows at the end of the turn.

        is_verified: the coordinator knows that this partition is in the batch's transaction.
        Raises KafkaError with the code the client gets, the log then unchanged.
        """
        if self._is_gone:
            raise UnknownTopicOrPartition
        return self.log.stage(
            batches,
            leader_epoch=self.leader_epoch,
            now_ms=now_ms,
            is_client=is_client,
            is_verified=is_verified,
        )

    def append_marker(
        self, producer_id: int, producer_epoch: int, marker: Marker, *, now_ms: int
    ) -> StagedAppend:
        """End a producer's transaction here, whether it wrote anything here or not.

        Raises InvalidProducerEpoch and TransactionCoordinatorFenced for a marker that comes late.
        """
        self.log.producers.check_marker(producer_id, producer_epoch, marker.coordinator_epoch)
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
        if self.commit_mode == CommitMode.REPLICATED:
            self._advance()  # Before those who wait for it hear of the write.
        end = self.log.log_end_offset
        written, self._written = self._written, []
        for wanted, callback in written:
            callback(wanted <= end)
        return is_whole

    def when_written(self, end_offset: int, callback: Written) -> None:
        """Call back at the end of this turn: True if the log then reaches `end_offset`."""
        self._written.append((end_offset, callback))

    def when_committed(self, offset: int, callback: Committed) -> None:
        """Call back True once the high watermark is at least `offset`, False if it never will."""
        if self._is_gone or self.high_watermark >= offset:
            callback(not self._is_gone)
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

        Our own epoch is known before its first record, and ends where the log does.
        """
        if leader_epoch == self.leader_epoch:
            return EpochEnd(leader_epoch, self.log.log_end_offset)
        return self.log.epoch_end(leader_epoch)

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
        if not self._is_gone and self.log.complete_sync(ticket):
            self._advance()

    def leave(self) -> None:
        """The partition is deleted or led elsewhere: everyone who waits learns it now."""
        self._is_gone = True
        written, self._written = self._written, []
        for _, callback in written:
            callback(False)
        self.committed.fail()
        self.tell_progress()

    def _advance(self) -> None:
        """The commit rule for one replica; the watermark never falls."""
        log = self.log
        is_weaker = self.commit_mode == CommitMode.REPLICATED
        reached = log.log_end_offset if is_weaker else log.synced_offset
        if reached > self.high_watermark:
            self.high_watermark = reached
            log.forget_decided(reached)
            self.committed.advance(reached)
            self.tell_progress()

    def tell_progress(self) -> None:
        """Something that readers are told of has moved: wake them, mark it in their sessions."""
        for woken in list(self._progress):
            woken()
