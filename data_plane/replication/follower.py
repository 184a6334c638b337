"""The follower's side of one partition: what to fetch, what to take, when to truncate.

A follower holds a prefix of what its leader holds. It says with each fetch where its log ends and
of which epoch its last record is; a leader that has written something else from some epoch on
answers where that epoch ended, and the follower cuts its log back to there (KIP-595). It cuts for
no other reason, and never below its own high watermark unless the controller has said that the
partition is RECOVERING: then it stops and keeps its files (durability.md 3).
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from data_plane.log.partition_log import PartitionLog
from data_plane.log.sync import SyncTicket
from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.protocol.errors import CorruptBatch, ErrorCode
from data_plane.protocol.messages.fetch import FetchRequestPartition, FetchResponsePartition
from data_plane.protocol.records.batch import iter_batches

SYNCED_SESSION: Final = "synced"  # rack id of the fetches whose offsets are synced
PLAIN_SESSION: Final = ""
BEHIND_SESSION: Final = "behind"  # plain too, apart from what is nearly in sync
UNKNOWN: Final = -1

Lower = Callable[[int], None]


def never_kept(_offset: int) -> None:
    """No watermark of this replica is on disk."""


class Stopped(Exception):
    """This replica may not go on copying; the text says why, for a person."""


class Follower:
    """One partition that this broker copies from its leader.

    `synced_offset` is what a fetch of a `synced` partition may tell; see replication/fetcher.py.
    """

    __slots__ = (
        "_lower",
        "commit_mode",
        "high_watermark",
        "index",
        "is_gone",
        "is_in_isr",
        "is_recovering",
        "leader_epoch",
        "leader_id",
        "log",
        "topic",
        "topic_id",
    )

    def __init__(
        self,
        topic: str,
        topic_id: UUID,
        row: PartitionRecord,
        log: PartitionLog,
        high_watermark: int,
        lower: Lower = never_kept,
    ) -> None:
        """high_watermark: a lower bound of it. lower: before the log is cut below what was
        committed, see to it durably that no start finds more than this; raises LogFailure.
        """
        self.topic = topic
        self.index = row.partition_index
        self.topic_id = topic_id
        self.log = log
        self.high_watermark = max(log.log_start_offset, min(high_watermark, log.log_end_offset))
        self._lower = lower
        log.forget_decided(self.high_watermark)
        self.is_gone = False
        self.is_in_isr = False  # as far as this broker has heard; writers wait for it then
        self.apply(row, row.commit_mode)

    def apply(self, row: PartitionRecord, mode: int) -> None:
        """Take up what the controller has decided; another broker leads in `row`, or nobody.

        mode: as what it is copied: `synced` also where its leader waits to go over to that.
        """
        self.leader_id, self.leader_epoch = row.leader, row.leader_epoch
        self.commit_mode = mode
        self.is_recovering = row.is_recovering

    @property
    def key(self) -> tuple[UUID, int]:
        return self.topic_id, self.index

    @property
    def syncs_at_once(self) -> bool:
        """Its next fetch waits for what is synced."""
        return self.commit_mode == CommitMode.SYNCED

    @property
    def is_synced(self) -> bool:
        """Everything it holds is on disk."""
        return self.log.synced_offset >= self.log.log_end_offset

    @property
    def last_stable_offset(self) -> int:
        """What compaction may look at: below it every transaction is decided for good."""
        first = self.log.first_unstable_offset
        if first is None or first >= self.high_watermark:
            return self.high_watermark
        return max(first, self.log.log_start_offset)

    def request(self, bytes_max: int) -> FetchRequestPartition:
        """What the next fetch asks for."""
        return FetchRequestPartition(
            partition=self.index,
            current_leader_epoch=self.leader_epoch,
            fetch_offset=self.log.log_end_offset,
            last_fetched_epoch=self.log.leader_epoch,
            log_start_offset=self.log.log_start_offset,
            partition_max_bytes=bytes_max,
        )

    def take(self, row: FetchResponsePartition, now_ms: int) -> ErrorCode:
        """Take in one answer; a code other than NONE asks to try again later.

        Raises Stopped, DiskFull (what had fitted is kept), DamagedLog and LogFailure.
        """
        if row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            self._begin_anew(row.log_start_offset)
            return ErrorCode.NONE
        if row.error_code:
            return ErrorCode(row.error_code)
        diverging = row.diverging_epoch
        if diverging.end_offset > UNKNOWN:
            self._truncate(diverging.epoch, diverging.end_offset)
            return ErrorCode.NONE
        try:
            if row.records:
                self._append(memoryview(row.records), now_ms)
        finally:
            self._note(row)
        return ErrorCode.NONE

    def complete_sync(self, ticket: SyncTicket) -> None:
        """A sync ended well; a stale ticket changes nothing (durability.md 2)."""
        if not self.is_gone:
            self.log.complete_sync(ticket)

    def tell_progress(self) -> None:
        """Nobody reads from a follower."""

    def leave(self) -> None:
        self.is_gone = True

    def _append(self, records: memoryview, now_ms: int) -> None:
        try:
            self._reach_back(records)
            self.log.stage_replicated(records, leader_epoch=self.leader_epoch, now_ms=now_ms)
        except CorruptBatch as error:
            raise Stopped(f"the leader sent what no follower may keep: {error.message}") from error
        self.log.write()

    def _reach_back(self, records: memoryview) -> None:
        """A log that DeleteRecords has cut may start inside a batch, which is still sent whole.

        An empty log that was to begin there begins with the batch; `_note` then lets it start where
        the leader's does. Source: Kafka's Partition.appendRecordsToFollowerOrFutureReplica.
        """
        log = self.log
        first = next((header for _, header in iter_batches(records)), None)
        if first is None or log.log_start_offset < log.log_end_offset:
            return
        if first.base_offset < log.log_end_offset <= first.last_offset:
            log.reset_to(first.base_offset)

    def _note(self, row: FetchResponsePartition) -> None:
        """The high watermark follows the leader's as far as the log reaches; so does the start."""
        known = min(row.high_watermark, self.log.log_end_offset)
        if known > self.high_watermark:
            self.high_watermark = known
            self.log.forget_decided(known)
        if row.log_start_offset > self.log.log_start_offset:
            self.log.delete_records_before(min(row.log_start_offset, self.log.log_end_offset))

    def _begin_anew(self, leader_start: int) -> None:
        """The leader has nothing at our end. Only a log that ends before the leader's begins may
        start there: whatever it holds was deleted for good. Anything else proves nothing.
        """
        if leader_start <= self.log.log_end_offset:
            raise Stopped(
                f"the leader has nothing at offset {self.log.log_end_offset} and cannot tell why"
            )
        self.log.reset_to(leader_start)
        self.high_watermark = leader_start

    def _truncate(self, leader_epoch: int, leader_end: int) -> None:
        """Cut back to where both logs may still agree; the next fetch finds out if they do.

        leader_epoch: the largest epoch of the leader's up to our last; leader_end: its end there.
        Source: Kafka's AbstractFetcherThread.getOffsetTruncationState.
        """
        log = self.log
        ours = log.epoch_end(leader_epoch)
        end = log.log_end_offset if ours.end_offset < 0 else ours.end_offset
        if ours.leader_epoch == leader_epoch or ours.end_offset < 0:
            end = min(end, leader_end)
        end = max(min(end, log.log_end_offset), log.log_start_offset)
        if end < self.high_watermark:
            if not self.is_recovering:
                raise Stopped(
                    f"the leader's epoch {leader_epoch} ended at {leader_end}, below the high "
                    f"watermark {self.high_watermark}"
                )
            self._lower(end)
        log.truncate_to(end)
        self.high_watermark = min(self.high_watermark, log.log_end_offset)
