"""The log of one partition on one replica: stage, write, sync, read, truncate, forget.

Everything but SyncTicket.run happens on the loop's thread. In one turn any number of `stage` calls
are followed by one `write`; what is staged is not in the log yet: not readable, not counted.

    log_start_offset <= synced_offset? <= log_end_offset      (synced: durable, durability.md 1)

Source: Kafka's UnifiedLog for behaviour; durability.md 1-3 for what is promised when.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from data_plane.log import retention, time_lookup
from data_plane.log.checkpoint import NAME as CHECKPOINT_NAME
from data_plane.log.checkpoint import Checkpoint, write_checkpoint
from data_plane.log.clean_job import CleanedGroup
from data_plane.log.compaction import Compaction
from data_plane.log.failures import DamagedLog, DiskFull, LogFailure
from data_plane.log.files import Files
from data_plane.log.leader_epochs import EpochEnd
from data_plane.log.log_config import LogConfig
from data_plane.log.producer_state import Producer, ProducerStates
from data_plane.log.recompress import recompress
from data_plane.log.recovery import LoadedLog, create_log, load_log
from data_plane.log.recovery_syncs import RecoverySyncs
from data_plane.log.replicated import replicated_batches
from data_plane.log.scan import headers
from data_plane.log.segment import (
    DELETED,
    FULL,
    LOG,
    SUFFIXES,
    FileExtent,
    Segment,
    StagedBatch,
    segment_path,
)
from data_plane.log.side_files import (
    newest_snapshot,
    remove_snapshots,
    write_epochs,
    write_snapshot,
)
from data_plane.log.swap import DRAFT_INDEXES, draft_path, swap_path
from data_plane.log.sync import SyncState, SyncTicket
from data_plane.log.time_lookup import TimestampOffset
from data_plane.log.txn_index import AbortedTransaction, TxnIndex
from data_plane.log.txn_rebuild import marker_of, rebuild_txn_index, replay_segment
from data_plane.log.validate import check_form, check_whole_client_batch
from data_plane.protocol.errors import FencedLeaderEpoch, InvalidTxnState, OffsetOutOfRange
from data_plane.protocol.records.batch import (
    BatchHeader,
    assign,
    check_crc,
    iter_batches,
    stamp_append_time,
)

NO_APPEND_TIME = -1
CHECKPOINT_EVERY_BYTES = 64 << 20  # How much of a log recovery may have to read again.


class StagedAppend(NamedTuple):
    """What an append will have done once `write` has returned; for a duplicate, what it did."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int  # -1 under CreateTime
    record_count: int
    size_bytes: int
    is_duplicate: bool


class LogSlice(NamedTuple):
    """Whole batches, back to back, as extents of files: to be sent without a copy, or read."""

    extents: tuple[FileExtent, ...] = ()
    size_bytes: int = 0

    def read_bytes(self) -> bytes:
        """Return the bytes. Raises DamagedLog if the disk gives fewer, or none at all."""
        try:
            parts = [e.file.read(e.position, e.size_bytes) for e in self.extents]
        except OSError as error:
            raise DamagedLog(f"read: {error.strerror}") from error
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        if len(whole) != self.size_bytes:
            raise DamagedLog(f"read {len(whole)} of {self.size_bytes} bytes")
        return whole


EMPTY_SLICE = LogSlice()


class PartitionLog:
    """One partition's segments, with the offsets that say what of them holds."""

    def __init__(
        self, files: Files, directory: PurePath, config: LogConfig, loaded: LoadedLog
    ) -> None:
        """Use `open` or `create`."""
        self._files = files
        self.directory = directory
        self.config = config
        self._segments = loaded.segments
        self._bases = [segment.base_offset for segment in loaded.segments]
        self._epochs = loaded.epochs
        self._producers = loaded.producers
        self.log_start_offset = loaded.log_start_offset
        self.log_end_offset = self.synced_offset = loaded.log_end_offset
        self.size_bytes = sum(segment.size_bytes for segment in loaded.segments)
        self.garbage: list[PurePath] = []  # renamed files, to be unlinked off the loop
        self._staged: list[StagedBatch] = []
        self._staged_bytes = 0
        self._staged_end = self.log_end_offset
        self._staged_epoch = self._epochs.latest
        self._undo: list[tuple[int, int, Producer | None]] = []  # base offset, producer id, before
        self._has_marker = False  # among what is staged
        self._now_ms = loaded.segments[-1].created_ms
        self._sync = SyncState(files, directory)
        self._recovery_point = loaded.log_end_offset
        self.compaction = Compaction(files, self)
        self._bytes_since_checkpoint = 0
        if self.log_start_offset > self.log_end_offset:
            # Offsets that DeleteRecords had passed must not be given out again.
            self.reset_to(self.log_start_offset)

    @classmethod
    def create(
        cls, files: Files, directory: PurePath, config: LogConfig, *, now_ms: int
    ) -> "PartitionLog":
        """Make an empty log; the caller makes the directory's own name durable."""
        create_log(files, directory)
        files.sync_directory(directory)
        return cls.open(files, directory, config, was_clean=False, now_ms=now_ms)

    @classmethod
    def open(
        cls,
        files: Files,
        directory: PurePath,
        config: LogConfig,
        *,
        was_clean: bool,
        now_ms: int,
        syncs: RecoverySyncs | None = None,
    ) -> "PartitionLog":
        """Open an existing log, recovering it unless it was closed cleanly.

        syncs: what has to be run before the log is used; None: that is done here.
        Raises LostLog or DamagedLog (quarantine the partition) and LogFailure (stop the broker).
        """
        loaded = load_log(files, directory, config, was_clean=was_clean, now_ms=now_ms, syncs=syncs)
        return cls(files, directory, config, loaded)

    @property
    def leader_epoch(self) -> int:
        """The epoch of the last record in the log, -1 if there is none."""
        return self._epochs.latest

    @property
    def is_dirty(self) -> bool:
        """True while something is written and not yet synced."""
        return self._sync.is_dirty

    @property
    def segment_base_offsets(self) -> tuple[int, ...]:
        return tuple(self._bases)

    @property
    def producers(self) -> ProducerStates:
        """The producers' windows; to be read only."""
        return self._producers

    @property
    def segments(self) -> Sequence[Segment]:
        """The segments in order, the active one last; to be read only."""
        return self._segments

    @property
    def _active(self) -> Segment:
        return self._segments[-1]

    # Appending.

    def stage(
        self,
        batches: memoryview,
        *,
        leader_epoch: int,
        now_ms: int,
        is_client: bool = True,
        is_verified: bool = False,
    ) -> StagedAppend:
        """Validate whole record batches and give them offsets, in place; write() follows.

        batches: writable v2 batches back to back, not copied, to stay untouched until write();
        from a client exactly one. now_ms: Unix milliseconds. A repeated batch is not staged: the
        answer names its first offsets. is_verified: the transaction's coordinator knows that this
        partition is in it, without which no client may open one here (KIP-890).
        Promises nothing about durability.
        Raises a KafkaError with the client's code, the log then unchanged.
        Source: KIP-98 (batch v2, sequences), KIP-101 (leader epochs).
        """
        if leader_epoch < self._staged_epoch:
            raise FencedLeaderEpoch(
                f"epoch {leader_epoch} may not append after {self._staged_epoch}"
            )
        self._now_ms = now_ms
        if not is_client:
            return self._stage_internal(batches, leader_epoch, now_ms)
        header = check_whole_client_batch(batches, self.config, now_ms)
        if header.producer_id >= 0:
            earlier = self._producers.check(header)
            if earlier is not None:
                return StagedAppend(
                    earlier.base_offset,
                    earlier.last_offset,
                    earlier.append_time_ms,
                    header.records_count,
                    header.size_bytes,
                    is_duplicate=True,
                )
            if header.is_transactional and not is_verified:
                self._check_open(header)
        if self.config.compression not in (None, header.compression):
            batches, header = recompress(batches, header, self.config)
        return self._stage_batch(batches, header, leader_epoch, now_ms)

    def _check_open(self, header: BatchHeader) -> None:
        if not self._producers.is_in_transaction(header.producer_id, header.producer_epoch):
            raise InvalidTxnState("the producer has no open transaction on this partition")

    def _stage_internal(self, batches: memoryview, leader_epoch: int, now_ms: int) -> StagedAppend:
        """Stage a coordinator's batches, control batches included; all of them or none."""
        found = list(iter_batches(batches))
        for at, header in found:
            check_crc(batches, at, header)
            check_form(header)
        staged = [
            self._stage_batch(batches[at : at + h.size_bytes], h, leader_epoch, now_ms)
            for at, h in found
        ]
        return StagedAppend(
            staged[0].base_offset if staged else self._staged_end,
            self._staged_end - 1,
            staged[0].log_append_time_ms if staged else NO_APPEND_TIME,
            sum(s.record_count for s in staged),
            len(batches),
            is_duplicate=False,
        )

    def _stage_batch(
        self, batch: memoryview, header: BatchHeader, leader_epoch: int, now_ms: int
    ) -> StagedAppend:
        base_offset = self._staged_end
        last_offset = base_offset + header.last_offset_delta
        assign(batch, 0, base_offset, leader_epoch)
        append_time_ms, max_timestamp_ms = NO_APPEND_TIME, header.max_timestamp
        if self.config.is_log_append_time:
            append_time_ms = max_timestamp_ms = now_ms
            stamp_append_time(batch, 0, header, now_ms)
        if header.producer_id >= 0:
            before = self._producers.note(
                header,
                base_offset,
                append_time_ms=append_time_ms,
                now_ms=now_ms,
                marker=marker_of(batch, header) if header.is_control else None,
            )
            self._undo.append((base_offset, header.producer_id, before))
            self._has_marker |= header.is_control
        size_bytes = header.batch_length + 12
        self._staged.append(
            StagedBatch(batch, size_bytes, base_offset, last_offset, leader_epoch, max_timestamp_ms)
        )
        self._staged_bytes += size_bytes
        self._staged_end = last_offset + 1
        self._staged_epoch = leader_epoch
        return StagedAppend(
            base_offset, last_offset, append_time_ms, header.records_count, size_bytes, False
        )

    def stage_replicated(self, batches: memoryview, *, leader_epoch: int, now_ms: int) -> None:
        """Take a leader's batches exactly as they are; write() follows.

        batches: not copied, to stay untouched until write(). leader_epoch: of the leader that sent
        them. Raises CorruptBatch, the log then unchanged.
        """
        self._now_ms = now_ms
        found = list(
            replicated_batches(
                batches,
                end_offset=self._staged_end,
                latest_epoch=self._staged_epoch,
                leader_epoch=leader_epoch,
            )
        )
        for at, header in found:
            batch = batches[at : at + header.size_bytes]
            if header.producer_id >= 0:
                self._note_replicated(batch, header, now_ms)
            self._staged.append(
                StagedBatch(
                    batch,
                    header.size_bytes,
                    header.base_offset,
                    header.last_offset,
                    header.partition_leader_epoch,
                    header.max_timestamp,
                )
            )
            self._staged_bytes += header.size_bytes
            self._staged_end = header.next_offset
            self._staged_epoch = header.partition_leader_epoch

    def _note_replicated(self, batch: memoryview, header: BatchHeader, now_ms: int) -> None:
        before = self._producers.note(
            header,
            header.base_offset,
            append_time_ms=header.max_timestamp if header.timestamp_type else NO_APPEND_TIME,
            now_ms=now_ms,
            marker=marker_of(batch, header) if header.is_control else None,
        )
        self._undo.append((header.base_offset, header.producer_id, before))
        self._has_marker |= header.is_control

    def write(self) -> None:
        """Write what is staged, with one call unless a segment ends on the way.

        Raises DiskFull: what had fitted is in the log (log_end_offset tells), the rest is dropped
        with its offsets and sequences. Raises LogFailure: the broker must stop.
        """
        if not self._staged:
            return
        staged, self._staged = self._staged, []
        size_bytes, self._staged_bytes = self._staged_bytes, 0
        try:
            if self._fits(size_bytes, self._staged_end):
                self._append(staged, size_bytes)
                return
            for batch in staged:
                # A batch larger than a segment gets one of its own.
                if self._segments[-1].size_bytes and not self._fits(
                    batch.size_bytes, batch.last_offset + 1
                ):
                    self._roll()
                self._append([batch], batch.size_bytes)
        finally:
            self._settle()

    def _fits(self, size_bytes: int, end_offset: int) -> bool:
        """Say whether so many bytes, up to an offset, may join the active segment."""
        active, config = self._segments[-1], self.config
        return self._now_ms - active.created_ms < config.roll_ms and active.has_room(
            end_offset - 1,
            active.size_bytes + size_bytes,
            config.segment_bytes,
            config.index_bytes_max,
        )

    def _append(self, batches: Sequence[StagedBatch], size_bytes: int) -> None:
        active = self._segments[-1]
        if not active.size_bytes:
            active.created_ms = self._now_ms
        active.append(batches, size_bytes)
        if batches[-1].leader_epoch > self._epochs.latest:
            for batch in batches:
                self._epochs.assign(batch.leader_epoch, batch.base_offset)
        self.size_bytes += size_bytes
        self._bytes_since_checkpoint += size_bytes
        self.log_end_offset = batches[-1].last_offset + 1
        self._sync.mark_file(active.log_path)
        if self._has_marker:
            self._index_aborted(batches[0].base_offset)

    def _index_aborted(self, base_offset: int) -> None:
        """Let the active segment's index know what the markers just written have aborted."""
        index = self._txn_index(len(self._segments) - 1)
        for aborted in self._producers.aborted_in(base_offset, self.log_end_offset):
            index.append(aborted)

    def _settle(self) -> None:
        """After a write, forget how to undo it; after a failed one, undo what was not written."""
        end = self.log_end_offset
        while self._undo:
            base_offset, producer_id, before = self._undo.pop()
            if base_offset >= end:
                self._producers.restore(producer_id, before)
        if self._has_marker:
            self._producers.forget_ended_from(end)
            self._has_marker = False
        self._staged_end = end
        self._staged_epoch = self._epochs.latest

    def roll(self) -> None:
        """Begin a new segment at the log end, unless the active one is empty."""
        assert not self._staged, "a roll belongs between turns"
        if self._active.size_bytes:
            self._roll()

    def roll_if_due(self, now_ms: int) -> bool:
        """Begin a new segment if the active one is too old, though nobody appends.

        Raises DiskFull, LogFailure.
        """
        age_ms = now_ms - self._active.created_ms
        if not self._active.size_bytes or age_ms < self.config.roll_ms:
            return False
        self._now_ms = now_ms
        self.roll()
        return True

    def _roll(self) -> None:
        """Close the active segment for writing. Raises DiskFull, nothing then changed."""
        base = self.log_end_offset
        try:
            written = self._write_side_files()
            self._files.open(segment_path(self.directory, base, LOG), create=True)
        except OSError as error:
            raise self._failure("roll", error) from error
        for path in written:
            self._sync.mark_file(path)
        self._sync.mark_directory()
        self._begin_segment(base)

    def _write_side_files(self) -> list[PurePath]:
        """Write the active segment's indexes, a producer snapshot at the end, and the epochs."""
        return [
            *self._active.write_indexes(),
            write_snapshot(self._files, self.directory, self.log_end_offset, self._written()),
            write_epochs(self._files, self.directory, self._epochs),
        ]

    def _written(self) -> ProducerStates:
        """Return the producers as of the log end, without what this turn has yet to write."""
        producers = self._producers.copy()
        for base_offset, producer_id, before in reversed(self._undo):
            if base_offset >= self.log_end_offset:
                producers.restore(producer_id, before)
        return producers

    def _begin_segment(self, base: int) -> None:
        segment = Segment(
            self._files,
            self.directory,
            base,
            next_offset=base,
            size_bytes=0,
            created_ms=self._now_ms,
            index_interval_bytes=self.config.index_interval_bytes,
        )
        segment.begin_indexes()
        segment.txn_index = TxnIndex()
        self._segments.append(segment)
        self._bases.append(base)

    def _failure(self, doing: str, error: OSError) -> DiskFull | LogFailure:
        """Say what an OSError on a write means: no room is survivable, nothing else is."""
        if error.errno in FULL:
            return DiskFull(f"no room to {doing} {self.directory.name}")
        return LogFailure(self.directory, doing, error)

    # Transactions.

    @property
    def first_unstable_offset(self) -> int | None:
        """Where the first transaction begins that is open, or whose marker may yet be lost."""
        return self._producers.first_unstable_offset

    def forget_decided(self, high_watermark: int) -> None:
        """The high watermark has moved: what ended below it is decided for good."""
        self._producers.forget_decided(high_watermark)

    def all_aborted_transactions(self) -> list[AbortedTransaction]:
        """Return every aborted transaction that read_committed readers are told about."""
        return [one for at in range(len(self._segments)) for one in self._txn_index(at)]

    def aborted_transactions(
        self, offset: int, part: LogSlice, offset_limit: int
    ) -> list[AbortedTransaction]:
        """Return the aborted transactions with records in `part`, a read from `offset` on.

        offset_limit: of that read; not above the last stable offset.
        """
        first = max(0, bisect_right(self._bases, offset) - 1)
        found: list[AbortedTransaction] = []
        for at in range(first, len(self._segments)):
            for one in self._txn_index(at):
                if one.last_offset >= offset and one.first_offset < offset_limit:
                    found.append(one)
                if one.last_stable_offset >= offset_limit:
                    break
            else:
                continue
            break
        if not found or not part.extents:
            return []
        end = self._end_of(part)
        return [one for one in found if one.first_offset < end]

    def _end_of(self, part: LogSlice) -> int:
        """Return the offset at which a slice ends, exclusive."""
        file, position, size_bytes = extent = part.extents[-1]
        _, header = next(headers(file, position, position + size_bytes))
        return self._segments[bisect_right(self._bases, header.base_offset) - 1].end_of(extent)

    def _txn_index(self, at: int) -> TxnIndex:
        """The transaction index of a segment, read or made anew at its first use."""
        segment = self._segments[at]
        if segment.txn_index is None and not segment.load_txn_index():
            segment.txn_index = rebuild_txn_index(
                self._files, self.directory, self._segments, at, self._now_ms
            )
        assert segment.txn_index is not None
        return segment.txn_index

    # Syncing.

    def sync_ticket(self) -> SyncTicket:
        """Return what has to be synced for all that is written now; see sync.py."""
        return self._sync.ticket(self.log_end_offset)

    def complete_sync(self, ticket: SyncTicket) -> bool:
        """Let synced_offset follow a ticket that ran well; False if the ticket is stale."""
        if not self._sync.complete(ticket):
            return False
        self.synced_offset = max(self.synced_offset, ticket.end_offset)
        is_roll_synced = self._recovery_point < self._active.base_offset <= self.synced_offset
        if is_roll_synced or self._bytes_since_checkpoint >= CHECKPOINT_EVERY_BYTES:
            self._recovery_point = self.synced_offset
            self._bytes_since_checkpoint = 0
            self._write_checkpoint()
        return True

    def _write_checkpoint(self) -> None:
        """Note the recovery point and the log start; without room the older note stays."""
        checkpoint = Checkpoint(self._recovery_point, self.log_start_offset)
        try:
            write_checkpoint(self._files, self.directory, checkpoint)
        except OSError as error:
            failure = self._failure("checkpoint", error)
            if isinstance(failure, LogFailure):
                raise failure from error

    # Reading.

    def read(
        self, offset: int, *, bytes_max: int, offset_limit: int, at_least_one: bool
    ) -> LogSlice:
        """Return whole batches from the one that holds `offset`, of one segment.

        offset_limit: exclusive; only batches that end below it. at_least_one: the first batch
        comes even if it is larger than bytes_max (KIP-74).
        Raises OffsetOutOfRange outside [log_start_offset, log_end_offset].
        """
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise OffsetOutOfRange(
                f"offset {offset} is outside [{self.log_start_offset}, {self.log_end_offset}]"
            )
        if offset >= offset_limit or offset == self.log_end_offset:
            return EMPTY_SLICE
        first = max(0, bisect_right(self._bases, offset) - 1)
        for segment in self._segments[first:]:
            extent = segment.extent(
                offset, bytes_max=bytes_max, offset_limit=offset_limit, at_least_one=at_least_one
            )
            if extent is not None:
                return LogSlice((extent,), extent.size_bytes) if extent.size_bytes else EMPTY_SLICE
        return EMPTY_SLICE

    def offset_for_timestamp(self, timestamp_ms: int, offset_limit: int) -> TimestampOffset | None:
        """Return the first record at or after a time, below `offset_limit`; None if there is none.

        May have to decompress one batch. Raises CorruptBatch if its records are unreadable.
        """
        return time_lookup.first_at_or_after(
            self._segments,
            timestamp_ms,
            offset_start=self.log_start_offset,
            offset_limit=min(offset_limit, self.log_end_offset),
        )

    def offset_of_max_timestamp(self, offset_limit: int) -> TimestampOffset | None:
        """Return the first record that has the latest timestamp, below `offset_limit`."""
        return time_lookup.of_max_timestamp(
            self._segments,
            offset_start=self.log_start_offset,
            offset_limit=min(offset_limit, self.log_end_offset),
        )

    def epoch_at(self, offset: int) -> int:
        """Return the leader epoch that wrote an offset, -1 if unknown."""
        return self._epochs.epoch_at(offset)

    def epoch_end(self, leader_epoch: int) -> EpochEnd:
        """Return the largest epoch up to `leader_epoch` and its end (OffsetForLeaderEpoch)."""
        return self._epochs.end_of(leader_epoch, self.log_end_offset)

    # Shortening.

    def truncate_to(self, offset: int) -> None:
        """Cut the log so that it ends at `offset`, or before the batch that holds it.

        Raises the generation, so tickets under way are dropped. Raises LogFailure.
        """
        assert not self._staged, "a truncation belongs between turns"
        if offset >= self.log_end_offset:
            return
        if offset <= self._bases[0]:
            self.reset_to(offset)
            return
        self.compaction.drop()
        kept = bisect_right(self._bases, offset)
        last = self._segments[kept - 1]
        self._txn_index(kept - 1)  # Its file is about to name more than there will be.
        found = last.find(offset)
        position, end = last.size_bytes, offset
        if found is not None:
            position, end = found[0], min(offset, found[1].base_offset)
        try:
            self._lower_recovery_point(end)
            self._remove_segments_from(kept)
            last.truncate(position, end)
            remove_snapshots(self._files, self.directory, above=end)
        except OSError as error:
            raise LogFailure(self.directory, "truncate", error) from error
        self._sync.mark_file(last.log_path)
        self._sync.mark_directory()
        self._end_at(end)
        self._epochs.truncate_end(end)
        self._staged_epoch = self._epochs.latest
        self._reload_producers()

    def reset_to(self, offset: int) -> None:
        """Drop every record and begin anew at `offset`. Raises LogFailure."""
        assert not self._staged, "a truncation belongs between turns"
        self.compaction.drop()
        try:
            self._lower_recovery_point(0)
            self._remove_segments_from(0)
            remove_snapshots(self._files, self.directory, below=2**63 - 1)
            self._files.open(segment_path(self.directory, offset, LOG), create=True)
        except OSError as error:
            raise LogFailure(self.directory, "reset", error) from error
        self._begin_segment(offset)
        self._sync.mark_directory()
        self._epochs.truncate_end(0)
        self._producers = ProducerStates()
        self._staged_epoch = self._epochs.latest
        self.log_start_offset = offset
        self._end_at(offset)

    def _lower_recovery_point(self, offset: int) -> None:
        """Before bytes go, durably stop claiming them: recovery takes their lack for damage."""
        if offset < self._recovery_point:
            self._recovery_point = offset
            checkpoint = Checkpoint(offset, min(self.log_start_offset, offset))
            write_checkpoint(self._files, self.directory, checkpoint).sync()
            self._files.sync_directory(self.directory)

    def _remove_segments_from(self, first: int) -> None:
        """Remove the last segments, the very last first, so that each crash leaves a prefix."""
        while len(self._segments) > first:
            segment = self._segments.pop()
            self._bases.pop()
            for suffix in reversed(SUFFIXES):
                path = segment_path(self.directory, segment.base_offset, suffix)
                self._sync.forget(path)
                if self._files.exists(path):
                    self._files.remove(path)

    def _end_at(self, end: int) -> None:
        self._sync.raise_generation()
        self.log_end_offset = self._staged_end = end
        self.synced_offset = min(self.synced_offset, end)
        self.compaction.truncate(end)
        self.size_bytes = sum(segment.size_bytes for segment in self._segments)

    def _reload_producers(self) -> None:
        """Take the snapshot at or below the end and replay what follows it."""
        end, before = self.log_end_offset, self._producers
        found = newest_snapshot(self._files, self.directory, end)
        reached, self._producers = found or (self._bases[0], ProducerStates())
        first = max(0, bisect_right(self._bases, reached) - 1)
        for segment in self._segments[first:]:
            replay_segment(self._producers, segment, reached, self._now_ms)
        before.forget_ended_from(end)
        self._producers.keep_undecided_of(before)

    def delete_records_before(self, offset: int) -> None:
        """Let the log start at `offset`; whole segments before it go. The caller checks the HW.

        Raises OffsetOutOfRange beyond the log end.
        """
        if offset > self.log_end_offset:
            raise OffsetOutOfRange(f"offset {offset} is beyond the end {self.log_end_offset}")
        if offset <= self.log_start_offset:
            return
        self.log_start_offset = offset
        gone = bisect_right([segment.next_offset for segment in self._segments[:-1]], offset)
        self._remove_first(gone)

    def apply_retention(self, now_ms: int, offset_limit: int | None = None) -> int:
        """Drop expired segments and producers; return how many segments went.

        offset_limit: the high watermark; what it has not passed stays. Raises DiskFull, LogFailure.
        """
        assert not self._staged, "retention belongs between turns"
        self._now_ms = now_ms
        self._producers.remove_expired(now_ms, self.config.producer_id_expiration_ms)
        limit = self.log_end_offset if offset_limit is None else offset_limit
        gone = retention.expired_count(
            self._segments, self.config, now_ms=now_ms, offset_limit=limit
        )
        if gone == len(self._segments):
            self._roll()  # The active segment may only go once another one takes its place.
        if gone:
            self.log_start_offset = max(self.log_start_offset, self._bases[gone])
            self._remove_first(gone)
        return gone

    def _remove_first(self, count: int) -> None:
        """Rename the first segments away, the very first first; unlinking them is slow work."""
        if count:
            self.compaction.drop()
        try:
            for segment in self._segments[:count]:
                for suffix in SUFFIXES:
                    self._doom(segment_path(self.directory, segment.base_offset, suffix), DELETED)
                self.size_bytes -= segment.size_bytes
        except OSError as error:
            raise LogFailure(self.directory, "delete", error) from error
        del self._segments[:count], self._bases[:count]
        self._epochs.truncate_start(self.log_start_offset)
        self._write_checkpoint()
        self._sync.mark_file(self.directory / CHECKPOINT_NAME)
        self._sync.mark_directory()

    def _doom(self, path: PurePath, suffix: str) -> None:
        self._sync.forget(path)
        if self._files.exists(path):
            doomed = path.with_name(path.name + suffix)
            self._files.rename(path, doomed)
            self.garbage.append(doomed)

    def replace_segments(self, group: CleanedGroup, run_ms: int) -> None:
        """Let a durable draft be the segment of all offsets of its group. Raises LogFailure.

        Whoever still reads an old segment holds its file. Source: durability.md 1, swap.py.
        """
        first = self._bases.index(group.base_offset)
        behind = bisect_left(self._bases, group.end_offset)
        old = self._segments[first:behind]
        doomed = f".{run_ms}{DELETED}"  # The same base offset may be replaced again soon.
        base, end = group.base_offset, group.end_offset
        try:
            for segment in old[1:]:
                for suffix in reversed(SUFFIXES):
                    path = segment_path(self.directory, segment.base_offset, suffix)
                    self._doom(path, doomed)
            for suffix in DRAFT_INDEXES:
                path = segment_path(self.directory, base, suffix)
                self._sync.forget(path)
                self._files.rename(draft_path(self.directory, base, end, run_ms, suffix), path)
            log_path = segment_path(self.directory, base, LOG)
            self._doom(log_path, doomed)
            self._files.rename(swap_path(self.directory, base, end, run_ms), log_path)
        except OSError as error:
            raise LogFailure(self.directory, "compact", error) from error
        replacement = Segment(
            self._files,
            self.directory,
            base,
            next_offset=end,
            size_bytes=group.size_bytes,
            created_ms=old[0].created_ms,
            index_interval_bytes=self.config.index_interval_bytes,
        )
        self._segments[first:behind] = [replacement]
        self._bases[first:behind] = [base]
        self.size_bytes += group.size_bytes - sum(segment.size_bytes for segment in old)
        self._sync.mark_directory()

    def close(self, *, is_clean: bool) -> None:
        """Give the log up; after a clean close the next open reads no batch. Raises LogFailure."""
        assert not self._staged, "a close belongs between turns"
        if not is_clean:
            return
        self.compaction.drop()
        end = self.log_end_offset
        checkpoint = Checkpoint(end, self.log_start_offset, end, self.size_bytes)
        try:
            for path in self._write_side_files():
                self._sync.mark_file(path)
            remove_snapshots(self._files, self.directory, above=end)
            self.sync_ticket().run()
            write_checkpoint(self._files, self.directory, checkpoint).sync()
            self._files.sync_directory(self.directory)
        except OSError as error:
            raise LogFailure(self.directory, "close", error) from error
