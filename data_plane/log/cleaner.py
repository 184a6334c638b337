"""Compaction: keep of each key the last record, below a log's dirty end (KIP-58, KIP-98, KIP-534).

Two passes. The first notes the last offset of each key of the dirty part. The second reads every
segment from the log's start on and writes drafts of what stays:

    a record   unless a later one has its key, or it is a tombstone past its batch's horizon
    aborted    records go at once, whatever their key
    a marker   while data of its transaction is left, and then until its horizon
    a batch    of which nothing stays goes too, except, empty, the last one of each producer

Batches that keep every record are copied as they are. Nothing here touches a segment: drafts are
new files, durable on return; taking them up is swap.py's and PartitionLog's affair.
Source: Kafka's LogCleaner and MemoryRecords.filterTo.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from data_plane.log.clean_job import (
    NEVER_MS,
    CleanedGroup,
    CleanJob,
    CleanResult,
    SourceSegment,
)
from data_plane.log.cleaned_transactions import CleanedTransactions
from data_plane.log.failures import DamagedLog
from data_plane.log.files import Bytes, File, Files
from data_plane.log.offset_map import KEYS_MAX, Offsets, judge, note_keys
from data_plane.log.record_scan import Batch, whole_batches
from data_plane.log.rewrite import empty_batch, smaller_batch
from data_plane.log.segment import LOG, TXN_INDEX, Segment, segment_path
from data_plane.log.swap import DRAFT_INDEXES, draft_path
from data_plane.log.txn_index import AbortedTransaction, TxnIndex
from data_plane.protocol.records.batch import (
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    DELETE_HORIZON,
    BatchHeader,
)

WRITE_BYTES = 1 << 20
RELATIVE_OFFSET_MAX = 2**31 - 1

Pace = Callable[[int], None]


def unpaced(_bytes: int) -> None:
    """As fast as it goes."""


def clean(
    files: Files, job: CleanJob, *, pace: Pace = unpaced, keys_max: int = KEYS_MAX
) -> CleanResult:
    """Write the drafts of a whole run, durably. Blocks for long.

    pace: told how many bytes were read or written, so that the edge may sleep.
    Raises DamagedLog for a batch that is not whole, OSError where a file is gone or full.
    """
    return _Cleaning(files, job, pace, keys_max).run()


def groups_of(
    segments: Sequence[SourceSegment], segment_bytes: int
) -> Iterator[Sequence[SourceSegment]]:
    """Yield neighbours that together fit one segment, so that a cleaned log does not crumble."""
    group: list[SourceSegment] = []
    size_bytes = 0
    for segment in segments:
        fits = (
            size_bytes + segment.size_bytes <= segment_bytes
            and group
            and segment.end_offset - group[0].base_offset <= RELATIVE_OFFSET_MAX
        )
        if group and not fits:
            yield group
            group, size_bytes = [], 0
        group.append(segment)
        size_bytes += segment.size_bytes
    if group:
        yield group


class _Cleaning:
    """One run over one log."""

    def __init__(self, files: Files, job: CleanJob, pace: Pace, keys_max: int) -> None:
        self._files, self._job, self._pace, self._keys_max = files, job, pace, keys_max
        self._offsets: Offsets = {}
        self._clean_end = job.first_dirty_offset
        self._transactions = CleanedTransactions(job.aborted)
        self._next_horizon_ms = NEVER_MS
        self._records_read = self._records_kept = 0
        self._bytes_read = self._bytes_written = 0

    def run(self) -> CleanResult:
        self._note_dirty_keys()
        sources = [s for s in self._job.segments if s.base_offset < self._clean_end]
        groups = tuple(map(self._clean_group, groups_of(sources, self._job.segment_bytes)))
        self._files.sync_directory(self._job.directory)
        return CleanResult(
            groups,
            self._clean_end,
            self._next_horizon_ms,
            self._records_read,
            self._records_kept,
            self._bytes_read,
            self._bytes_written,
        )

    def _note_dirty_keys(self) -> None:
        """Fill the map; a batch that does not fit ends the run's range before it."""
        transactions = CleanedTransactions(self._job.aborted)
        for segment in self._job.segments:
            if segment.end_offset <= self._job.first_dirty_offset:
                continue
            for batch in self._batches(segment):
                header = batch.header
                if header.last_offset < self._job.first_dirty_offset:
                    continue
                if len(self._offsets) + header.records_count > self._keys_max and self._offsets:
                    return
                if header.is_control:
                    transactions.end(header)
                elif not transactions.is_aborted(header):
                    data, at, end = batch.records()
                    count = note_keys(data, at, end, header.base_offset, self._offsets)
                    check_count(header, count)
                self._clean_end = header.next_offset
            self._clean_end = segment.end_offset

    def _batches(self, segment: SourceSegment) -> Iterator[Batch]:
        path = segment_path(self._job.directory, segment.base_offset, LOG)
        expected = segment.base_offset
        for batch in whole_batches(self._files.open(path), segment.size_bytes):
            header = batch.header
            # The checksum does not cover the base offset: it must at least be in order.
            if not expected <= header.base_offset <= header.last_offset < segment.end_offset:
                raise DamagedLog(f"{path}: offset {header.base_offset} is out of order")
            expected = header.next_offset
            self._bytes_read += batch.header.size_bytes
            self._pace(batch.header.size_bytes)
            yield batch

    def _clean_group(self, sources: Sequence[SourceSegment]) -> CleanedGroup:
        draft = _Draft(self._files, self._job, sources[0].base_offset, sources[-1].end_offset)
        aborted: list[AbortedTransaction] = []
        for source in sources:
            for batch in self._batches(source):
                kept = self._kept(batch, aborted)
                if kept is not None:
                    draft.add(kept)
        size_bytes = draft.close(aborted)
        self._bytes_written += size_bytes
        self._pace(size_bytes)
        return CleanedGroup(draft.base_offset, draft.end_offset, size_bytes)

    def _kept(self, batch: Batch, aborted: list[AbortedTransaction]) -> Bytes | None:
        """Return what stays of a batch, None if nothing does."""
        header = batch.header
        self._records_read += header.records_count
        if header.is_control:
            may_go, told = self._transactions.end(header)
            if told is not None:
                aborted.append(told)
        else:
            may_go = self._transactions.is_aborted(header)
        if header.base_offset >= self._clean_end:
            self._records_kept += header.records_count
            return batch.whole
        if header.is_control:
            kept = self._kept_marker(batch, may_go=may_go)
        elif may_go:
            kept = None
        else:
            kept = self._kept_records(batch)
        if kept is None and self._is_last_of_producer(header):
            return empty_batch(header) if header.records_count else batch.whole
        return kept

    def _kept_marker(self, batch: Batch, *, may_go: bool) -> Bytes | None:
        header = batch.header
        if not header.records_count:
            return None
        if not may_go:
            self._records_kept += 1
            return batch.whole
        horizon_ms = delete_horizon_ms(header)
        if horizon_ms is not None and horizon_ms <= self._job.run_ms:
            return None
        self._records_kept += 1
        return self._with_horizon(batch, horizon_ms, batch.data[self._payload(batch)], 1)

    def _kept_records(self, batch: Batch) -> Bytes | None:
        header = batch.header
        horizon_ms = delete_horizon_ms(header)
        data, at, end = batch.records()
        judged = judge(
            data,
            at,
            end,
            header.base_offset,
            self._offsets,
            keeps_tombstones=horizon_ms is None or self._job.run_ms < horizon_ms,
        )
        check_count(header, judged.kept_count + judged.dropped_count)
        self._records_kept += judged.kept_count
        if not judged.kept_count:
            return None
        if judged.has_tombstone:
            if horizon_ms is not None:
                self._expect(horizon_ms)
            else:
                records = b"".join([data[start:stop] for start, stop in judged.spans])
                return self._with_horizon(batch, None, records, judged.kept_count)
        if not judged.dropped_count:
            return batch.whole
        records = b"".join([data[start:stop] for start, stop in judged.spans])
        return smaller_batch(header, records, judged.kept_count, horizon_ms=None)

    def _with_horizon(
        self, batch: Batch, horizon_ms: int | None, records: bytes, count: int
    ) -> Bytes:
        """Let the batch say when its tombstones or its marker may go, if it does not yet."""
        if horizon_ms is not None:
            self._expect(horizon_ms)
            return batch.whole
        horizon_ms = self._job.run_ms + self._job.delete_retention_ms
        self._expect(horizon_ms)
        return smaller_batch(batch.header, records, count, horizon_ms=horizon_ms)

    def _expect(self, horizon_ms: int) -> None:
        if self._next_horizon_ms == NEVER_MS or horizon_ms < self._next_horizon_ms:
            self._next_horizon_ms = horizon_ms

    def _payload(self, batch: Batch) -> slice:
        return slice(batch.at + BATCH_HEADER_BYTES, batch.at + batch.header.size_bytes)

    def _is_last_of_producer(self, header: BatchHeader) -> bool:
        """Its sequence, or for a marker its epoch, is what the next batch is checked against."""
        last = self._job.producers.get(header.producer_id)
        if last is None:
            return False
        if last.last_offset < 0:
            return header.is_control and header.producer_epoch == last.producer_epoch
        return header.last_offset == last.last_offset


class _Draft:
    """A segment in the making: written in large pieces, indexed as it grows."""

    def __init__(self, files: Files, job: CleanJob, base_offset: int, end_offset: int) -> None:
        self._files = files
        self.base_offset, self.end_offset = base_offset, end_offset
        self._paths = {
            suffix: draft_path(job.directory, base_offset, end_offset, job.run_ms, suffix)
            for suffix in (LOG, *DRAFT_INDEXES)
        }
        self._file = fresh_file(files, self._paths[LOG])
        self._parts: list[Bytes] = []
        self._pending_bytes = 0
        self._segment = Segment(
            files,
            job.directory,
            base_offset,
            next_offset=base_offset,
            size_bytes=0,
            created_ms=job.run_ms,
            index_interval_bytes=job.index_interval_bytes,
        )
        self._segment.begin_indexes()

    def add(self, batch: Bytes) -> None:
        header = BatchHeader._make(BATCH_HEADER.unpack_from(batch))
        segment = self._segment
        segment.note(
            segment.size_bytes, header.size_bytes, header.last_offset, header.max_timestamp
        )
        self._parts.append(batch)
        self._pending_bytes += header.size_bytes
        if self._pending_bytes >= WRITE_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._parts:
            self._file.append(self._parts, self._pending_bytes)
            self._parts, self._pending_bytes = [], 0

    def close(self, aborted: Sequence[AbortedTransaction]) -> int:
        """Make the draft and its indexes durable, their names aside; return the log's bytes."""
        self._flush()
        self._file.sync()
        index = TxnIndex()
        for one in aborted:
            index.append(one)
        contents = self._segment.encode_indexes() | {TXN_INDEX: index.encode()}
        for suffix, content in contents.items():
            file = fresh_file(self._files, self._paths[suffix])
            file.append([content], len(content))
            file.sync()
        return self._segment.size_bytes


def fresh_file(files: Files, path: PurePath) -> File:
    file = files.open(path, create=True)
    file.truncate(0)
    return file


def check_count(header: BatchHeader, count: int) -> None:
    if count != header.records_count:
        raise DamagedLog(
            f"the batch at offset {header.base_offset} holds {count} records,"
            f" its header says {header.records_count}"
        )


def delete_horizon_ms(header: BatchHeader) -> int | None:
    """Return when the batch's tombstones or marker may go, None if that was not said yet."""
    return header.base_timestamp if header.attributes & DELETE_HORIZON else None
