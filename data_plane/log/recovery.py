"""Bring a partition's directory back into memory, after a clean stop or after any other.

Clean: the checkpoint, the last snapshot, the epochs and the index files are taken as they are.
Otherwise batches are read from the segment of the recovery point on: length, magic, order of
offsets and epochs, and, from the recovery point, the checksum. The first batch that fails ends the
log; what lies behind is cut off. Indexes, epochs and producers are rebuilt from what stays, and it
is all synced before anybody may build on it (durability.md 3, kafka-protocol.md 95).

Below the recovery point everything had been made durable, so a failure there is damage, not a torn
tail: DamagedLog, nothing cut, and the partition is quarantined.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

import crc32c

from data_plane.log.checkpoint import NOT_CLEAN, Checkpoint, read_checkpoint
from data_plane.log.failures import DamagedLog, LogFailure, LostLog
from data_plane.log.files import File, Files, write_anew
from data_plane.log.leader_epochs import LeaderEpochs
from data_plane.log.log_config import LogConfig
from data_plane.log.producer_state import ProducerStates
from data_plane.log.recovery_syncs import RecoverySyncs
from data_plane.log.resume import encode_resume_point, read_resume_point, write_resume_point
from data_plane.log.segment import FULL, LOG, SUFFIXES, Segment, SegmentState, segment_path
from data_plane.log.side_files import (
    base_offsets,
    newest_snapshot,
    read_epochs,
    remove_leftovers,
    remove_snapshots,
    write_epochs,
    write_snapshot,
)
from data_plane.log.swap import finish_swaps, read_state
from data_plane.log.txn_index import TxnIndex
from data_plane.log.txn_rebuild import read_marker, rebuild_txn_index
from data_plane.protocol.records.batch import (
    ATTRIBUTES_AT,
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    MAGIC,
    NO_PRODUCER_ID,
    BatchHeader,
    header_from_fields,
)

WINDOW_BYTES = 1 << 20


@dataclass(slots=True)
class LoadedLog:
    """A partition's state as its files tell it; everything in it is durable."""

    segments: list[Segment]
    epochs: LeaderEpochs
    producers: ProducerStates
    log_start_offset: int
    log_end_offset: int


def create_log(files: Files, directory: PurePath) -> None:
    """Make the directory of an empty partition; the caller makes it and its name durable.

    In any thread, since nobody uses it yet.
    """
    files.make_directory(directory)
    files.create(segment_path(directory, 0, LOG))


def load_log(
    files: Files,
    directory: PurePath,
    config: LogConfig,
    *,
    was_clean: bool,
    now_ms: int,
    syncs: RecoverySyncs | None = None,
    is_distrusted: bool = False,
) -> LoadedLog:
    """Open what `directory` holds.

    syncs: takes what has to become durable before anybody builds on the log; None: it is synced
    here. is_distrusted: a write or sync has failed, so what is read may not be on the disk, and a
    sync would not tell: what was not known to be durable is written anew.
    Raises LostLog, DamagedLog, or LogFailure if a sync fails.
    """
    if not files.exists(directory):
        raise LostLog(f"{directory.name} is missing")
    try:
        has_swapped = finish_swaps(files, directory)
        remove_leftovers(files, directory)
        checkpoint = read_checkpoint(files, directory)
        recovery = _Recovery(files, directory, config, checkpoint or Checkpoint(), now_ms=now_ms)
        if was_clean and checkpoint is not None and not has_swapped:
            loaded = recovery.load_clean()
            if loaded is not None:
                return loaded
        own = RecoverySyncs(files)
        loaded = recovery.recover(
            own if syncs is None else syncs,
            was_clean=was_clean and not has_swapped,
            has_swapped=has_swapped,
        )
        if is_distrusted:
            _write_anew(files, loaded, checkpoint or Checkpoint())
    except OSError as error:  # Unreadable is this partition's misfortune, not the broker's.
        raise DamagedLog(f"{directory.name}: {error.strerror}") from error
    own.run()
    return loaded


def _write_anew(files: Files, loaded: LoadedLog, checkpoint: Checkpoint) -> None:
    """Of segments that end at or below the recovery point every byte was durable before."""
    for segment in loaded.segments:
        if segment.next_offset > checkpoint.recovery_point:
            try:
                write_anew(files, segment.log_path)
            except OSError as error:
                raise LogFailure(segment.log_path, "write anew", error) from error


class _Recovery:
    """One opening of one directory."""

    def __init__(
        self,
        files: Files,
        directory: PurePath,
        config: LogConfig,
        checkpoint: Checkpoint,
        *,
        now_ms: int,
    ) -> None:
        self._files, self._directory, self._config = files, directory, config
        self._checkpoint, self._now_ms = checkpoint, now_ms
        self._gaps_end = read_state(files, directory).gaps_end
        self._bases = base_offsets(files, directory)
        if not self._bases:
            raise LostLog(f"{directory.name} holds no segment")

    def load_clean(self) -> LoadedLog | None:
        """Take a cleanly closed log as it is; None if a file contradicts the checkpoint."""
        end = self._checkpoint.clean_end_offset
        epochs = read_epochs(self._files, self._directory)
        snapshot = newest_snapshot(self._files, self._directory, end)
        segments = self._segments(self._bases, end)
        if (
            epochs is None
            or snapshot is None
            or snapshot[0] != end
            or sum(segment.size_bytes for segment in segments) != self._checkpoint.clean_size_bytes
        ):
            return None
        start = max(self._checkpoint.log_start_offset, self._bases[0])
        return LoadedLog(segments, epochs, snapshot[1], start, end)

    def _segments(self, bases: list[int], end: int) -> list[Segment]:
        return [
            self._segment(base, next_offset)
            for base, next_offset in zip(bases, [*bases[1:], end], strict=True)
        ]

    def _segment(self, base: int, next_offset: int) -> Segment:
        return Segment(
            self._files,
            self._directory,
            base,
            next_offset=next_offset,
            size_bytes=self._files.open(segment_path(self._directory, base, LOG)).size_bytes(),
            created_ms=self._now_ms,
            index_interval_bytes=self._config.index_interval_bytes,
        )

    def recover(self, syncs: RecoverySyncs, *, was_clean: bool, has_swapped: bool) -> LoadedLog:
        """Scan, cut, rebuild, and say what to sync.

        was_clean: the log was closed; its size must not have changed since.
        has_swapped: a swap of compaction was finished just now; its names must become durable.
        """
        recovery_point = max(self._checkpoint.recovery_point, self._bases[0])
        first, snapshot, epochs, state = self._where_to_begin(recovery_point)
        snapshot_offset, producers = snapshot
        scanned: list[Segment] = []
        end = self._bases[first]
        for base in self._bases[first:]:
            if base != end and not end < base <= self._gaps_end:
                break
            segment = self._segment(base, base)
            file_bytes = segment.size_bytes
            if state is not None and not scanned:
                segment.resume(state)
            else:
                segment.begin_indexes()
                segment.size_bytes = 0
            is_whole = self._scan(
                segment, file_bytes, recovery_point, snapshot_offset, producers, epochs
            )
            if scanned:
                scanned[-1].next_offset = base  # Its last records may have been compacted away.
            scanned.append(segment)
            end = segment.next_offset
            if not is_whole:
                break
        if end < recovery_point:
            raise DamagedLog(
                f"{self._directory.name}: offset {end} is unreadable"
                f" although all below {recovery_point} was synced"
            )
        segments = self._segments(self._bases[:first], self._bases[first]) if first else []
        size_bytes = sum(segment.size_bytes for segment in (*segments, *scanned))
        is_closed = was_clean and self._checkpoint.clean_end_offset != NOT_CLEAN
        if is_closed and size_bytes != self._checkpoint.clean_size_bytes:
            raise DamagedLog(
                f"{self._directory.name}: {size_bytes} bytes of batches,"
                f" {self._checkpoint.clean_size_bytes} when it was closed"
            )
        was_cut = self._cut(scanned, self._bases[first + len(scanned) :], end, recovery_point)
        whole = [*segments, *scanned]
        for at, segment in enumerate(whole[first:], first):
            if segment.txn_index is None:
                segment.txn_index = rebuild_txn_index(
                    self._files, self._directory, whole, at, self._now_ms
                )
        loaded = LoadedLog(whole, epochs, producers, self._bases[0], end)
        loaded.log_start_offset = max(self._checkpoint.log_start_offset, self._bases[0])
        if was_cut or has_swapped or end > recovery_point:
            self._make_durable(loaded, scanned, syncs)
        else:
            # Up to the recovery point all bytes are durable, and most partitions hold no others;
            # of their names a last roll or deletion may not be.
            syncs.add(self._directory)
        return loaded

    def _where_to_begin(
        self, recovery_point: int
    ) -> tuple[int, tuple[int, ProducerStates], LeaderEpochs, SegmentState | None]:
        """Return the first segment to scan, the producers and epochs known before it, and what is
        known of the segment itself, if it need not be read from its start.

        Where a snapshot or the epochs are missing, the scan begins earlier, at worst at the start.
        """
        first = max((i for i, base in enumerate(self._bases) if base <= recovery_point), default=0)
        point = read_resume_point(
            self._files, self._directory, self._segment(self._bases[first], self._bases[first])
        )
        if point is not None and point.offset <= recovery_point:
            return first, (point.offset, point.producers), point.epochs, point.segment
        epochs = read_epochs(self._files, self._directory)
        snapshot = newest_snapshot(self._files, self._directory, recovery_point)
        if epochs is None or snapshot is None:
            return 0, (self._bases[0], ProducerStates()), LeaderEpochs(), None
        reached = min(recovery_point, snapshot[0])
        first = max((i for i, base in enumerate(self._bases) if base <= reached), default=0)
        epochs.truncate_end(self._bases[first])
        return first, snapshot, epochs, None

    def _scan(
        self,
        segment: Segment,
        file_bytes: int,
        recovery_point: int,
        snapshot_offset: int,
        producers: ProducerStates,
        epochs: LeaderEpochs,
    ) -> bool:
        """Take the valid batches behind what is known of a segment into its indexes; False if
        something follows them.

        The segment's size becomes that of what is valid.
        """
        file = segment.file()
        index, is_index_whole = segment.txn_index or TxnIndex(), True
        batches = valid_batches(file, file_bytes, recovery_point, start=segment.size_bytes)
        for position, header in batches:
            if not self._follows(segment, header, epochs):
                break
            if header.partition_leader_epoch > epochs.latest:
                epochs.assign(header.partition_leader_epoch, header.base_offset)
            is_nobodys = header.producer_id == NO_PRODUCER_ID and not header.is_control
            if not is_nobodys and header.base_offset >= snapshot_offset:
                ended = producers.replay(header, self._now_ms, read_marker(file, position, header))
                if ended is not None and ended.aborted is not None:
                    index.append(ended.aborted)
            elif header.is_control:
                is_index_whole = False  # What it ended is not in a snapshot behind it.
            segment.note(position, header.size_bytes, header.last_offset, header.max_timestamp)
        segment.txn_index = index if is_index_whole else None
        return segment.size_bytes == file_bytes

    def _follows(self, segment: Segment, header: BatchHeader, epochs: LeaderEpochs) -> bool:
        """Judge the fields that the checksum does not cover. Only compaction leaves gaps."""
        expected = segment.next_offset
        return (
            (header.base_offset == expected or expected < header.base_offset <= self._gaps_end)
            and header.last_offset_delta >= 0
            and header.last_offset - segment.base_offset < 2**31
            and header.partition_leader_epoch >= epochs.latest
        )

    def _cut(
        self, scanned: list[Segment], bases_beyond: list[int], end: int, recovery_point: int
    ) -> bool:
        """Remove what lies behind the end, the last first, so that each crash leaves a prefix.

        Returns whether there was anything.
        """
        for base in reversed(bases_beyond):
            for suffix in reversed(SUFFIXES):
                path = segment_path(self._directory, base, suffix)
                if self._files.exists(path):
                    self._files.remove(path)
        active = scanned[-1].file()
        if active.size_bytes() > scanned[-1].size_bytes:
            active.truncate(scanned[-1].size_bytes)
            bases_beyond = [*bases_beyond, end]
        # Above the recovery point one may be of a history cut off, its removal not durable.
        remove_snapshots(self._files, self._directory, above=min(end, recovery_point))
        return bool(bases_beyond)

    def _make_durable(
        self, loaded: LoadedLog, scanned: list[Segment], syncs: RecoverySyncs
    ) -> None:
        """Have everything synced that was not known to be durable, then the checkpoint say so.

        On a full disk only the log files are synced; the next recovery then reads them again.
        """
        files, directory = self._files, self._directory
        end = loaded.log_end_offset
        written = [segment.log_path for segment in scanned]
        checkpoint: Checkpoint | None = Checkpoint(end, loaded.log_start_offset)
        # One read brings back what a short log's notes would say, and each note is a new file.
        is_short = len(scanned) == 1 and scanned[0].size_bytes <= WINDOW_BYTES
        try:
            written += [path for segment in scanned[:-1] for path in segment.write_indexes()]
            if not is_short:
                written.append(write_snapshot(files, directory, end, loaded.producers))
                written.append(write_epochs(files, directory, loaded.epochs))
            if scanned[-1].size_bytes >= self._config.checkpoint_bytes:
                note = encode_resume_point(scanned[-1], loaded.epochs, loaded.producers)
                written += write_resume_point(files, directory, note)
        except OSError as error:
            if error.errno not in FULL:
                raise
            checkpoint = None
        syncs.add(directory, written, None if checkpoint == self._checkpoint else checkpoint)


def valid_batches(
    file: File, end: int, checked_from_offset: int, *, start: int = 0
) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) from `start` up to the first bytes that are no whole, undamaged v2
    batch.

    Checksums are verified for batches that start at or after `checked_from_offset`.
    """
    window, window_start, position = memoryview(b""), start, start
    while position < end:
        at = position - window_start
        if at + BATCH_HEADER_BYTES > len(window):
            window, window_start, at = memoryview(file.read(position, WINDOW_BYTES)), position, 0
        if len(window) - at < BATCH_HEADER_BYTES:
            return
        header = header_from_fields(BATCH_HEADER.unpack_from(window, at))
        size_bytes = header.size_bytes
        if header.magic != MAGIC or not BATCH_HEADER_BYTES <= size_bytes <= end - position:
            return
        if header.base_offset >= checked_from_offset:
            if at + size_bytes > len(window) and size_bytes <= WINDOW_BYTES:
                window = memoryview(file.read(position, WINDOW_BYTES))
                window_start, at = position, 0
            here = window[at + ATTRIBUTES_AT : at + size_bytes]
            if _checksum(file, position, size_bytes, here) != header.crc:
                return
        yield position, header
        position += size_bytes


def _checksum(file: File, position: int, size_bytes: int, here: memoryview) -> int:
    """Return a batch's CRC-32C, reading piecewise what is not here: a length may be a lie."""
    crc: int = crc32c.crc32c(here)
    at = position + ATTRIBUTES_AT + len(here)
    end = position + size_bytes
    while at < end:
        piece = file.read(at, min(WINDOW_BYTES, end - at))
        if not piece:
            return -1
        crc = crc32c.crc32c(piece, crc)
        at += len(piece)
    return crc
