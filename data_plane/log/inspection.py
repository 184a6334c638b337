"""Judge a partition's files without changing them: the broker may be running or stopped.

A problem is what recovery would not explain: damage to what had been made durable. Behind the last
whole batch of the last segment anything may lie, since an append may be under way or torn.
Source: reliability.md D5-D6, kafka-protocol.md 95-96.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from data_plane.log.checkpoint import read_checkpoint
from data_plane.log.failures import DamagedLog
from data_plane.log.files import Files, read_whole
from data_plane.log.leader_epochs import UNKNOWN, LeaderEpochs
from data_plane.log.offset_index import decode_offset_index
from data_plane.log.record_scan import Batch, whole_batches
from data_plane.log.segment import INDEX, LOG, TIME_INDEX, TXN_INDEX, segment_path
from data_plane.log.side_files import base_offsets, read_epochs
from data_plane.log.swap import read_state
from data_plane.log.time_index import decode_time_index
from data_plane.log.txn_index import decode_txn_index
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.records.record import decode_records


@dataclass(slots=True)
class Inspected:
    """What one partition's directory holds. Notes are no reason to worry, problems are."""

    directory: str
    segments: int = 0
    batches: int = 0
    records: int = 0
    size_bytes: int = 0
    log_start_offset: int = 0
    log_end_offset: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def inspect_partition(files: Files, directory: PurePath) -> Inspected:
    """Read every batch of a partition. What vanishes meanwhile, by retention, is a note."""
    found = Inspected(directory.name)
    try:
        _Inspection(files, directory, found).run()
    except FileNotFoundError as error:
        found.notes.append(f"went away while it was read: {PurePath(str(error.filename)).name}")
    except OSError as error:
        found.problems.append(f"unreadable: {error.strerror}")
    return found


class _Inspection:
    def __init__(self, files: Files, directory: PurePath, found: Inspected) -> None:
        self._files, self._directory, self._found = files, directory, found
        self._gaps_end = read_state(files, directory).gaps_end
        self._epoch = -1
        self._epochs = LeaderEpochs()  # as they stood when the checkpoint was written, or before
        self._recovery_point = 0

    def run(self) -> None:
        found = self._found
        bases = base_offsets(self._files, self._directory)
        if not bases:
            found.problems.append("holds no segment")
            return
        checkpoint = read_checkpoint(self._files, self._directory)
        end = found.log_start_offset = bases[0]
        if checkpoint is not None:
            self._epochs = read_epochs(self._files, self._directory) or self._epochs
            self._recovery_point = checkpoint.recovery_point
            found.log_start_offset = max(end, checkpoint.log_start_offset)
        for base, following in zip(bases, [*bases[1:], None], strict=True):
            if not end <= base or (base > end and base > self._gaps_end):
                found.problems.append(f"segment {base} begins where {end} was expected")
            end = self._segment(base, following)
        found.log_end_offset = max(end, found.log_start_offset)
        if checkpoint is not None and end < checkpoint.recovery_point:
            found.problems.append(
                f"ends at {end} although all below {checkpoint.recovery_point} was synced"
            )

    def _segment(self, base: int, following: int | None) -> int:
        """Take in one segment; return the offset behind its last whole batch."""
        found = self._found
        size_bytes = self._files.open(segment_path(self._directory, base, LOG)).size_bytes()
        positions: dict[int, Batch] = {}
        expected, position = base, 0
        try:
            for batch in self._batches(base, size_bytes):
                self._judge(batch, expected, following)
                positions[position] = batch
                position += batch.header.size_bytes
                expected = batch.header.next_offset
                found.batches += 1
                found.records += batch.header.records_count
        except DamagedLog as error:
            text = f"segment {base}, byte {position}: {error.message}"
            (found.notes if following is None else found.problems).append(text)
        found.segments += 1
        found.size_bytes += position
        self._indexes(base, following or expected, position, positions)
        return expected if following is None else max(expected, min(following, self._gaps_end))

    def _batches(self, base: int, size_bytes: int) -> Iterator[Batch]:
        path = segment_path(self._directory, base, LOG)
        for batch in whole_batches(self._files.open(path), size_bytes):
            data, at, end = batch.records()
            plain = batch.header._replace(attributes=batch.header.attributes & ~7)
            try:
                decode_records(plain, memoryview(data)[at:end])
            except KafkaError as error:
                raise DamagedLog(f"offset {batch.header.base_offset}: {error.message}") from error
            yield batch

    def _judge(self, batch: Batch, expected: int, following: int | None) -> None:
        """What the checksum does not cover: offsets and epochs must grow."""
        header = batch.header
        is_gap = header.base_offset > expected
        if header.base_offset < expected or (is_gap and header.base_offset > self._gaps_end):
            raise DamagedLog(f"offset {header.base_offset} where {expected} was expected")
        if following is not None and header.last_offset >= following:
            raise DamagedLog(f"offset {header.last_offset} belongs to the next segment")
        if header.partition_leader_epoch < self._epoch:
            raise DamagedLog(f"leader epoch {header.partition_leader_epoch} after {self._epoch}")
        known = self._epochs.epoch_at(header.base_offset)
        if header.base_offset < self._recovery_point and known not in (
            UNKNOWN,
            header.partition_leader_epoch,
        ):
            raise DamagedLog(f"leader epoch {header.partition_leader_epoch} instead of {known}")
        self._epoch = header.partition_leader_epoch

    def _indexes(
        self, base: int, end_offset: int, size_bytes: int, positions: dict[int, Batch]
    ) -> None:
        """Indexes can be made anew, so what is wrong with one is a note."""
        notes = self._found.notes
        for suffix in (INDEX, TIME_INDEX, TXN_INDEX):
            content = read_whole(self._files, segment_path(self._directory, base, suffix))
            if content is None:
                continue
            try:
                if suffix == INDEX:
                    _check_positions(content, base, size_bytes, positions)
                elif suffix == TIME_INDEX:
                    decode_time_index(content, end_offset - base)
                else:
                    decode_txn_index(content, base, end_offset)
            except ValueError as error:
                notes.append(f"segment {base}: {suffix} will be made anew: {error}")


def _check_positions(
    content: bytes, base: int, size_bytes: int, positions: dict[int, Batch]
) -> None:
    index = decode_offset_index(content, size_bytes)
    for position, batch in positions.items():
        offset, at = index.floor_position(position)
        if at == position and offset >= 0 and base + offset != batch.header.last_offset:
            raise ValueError(f"entry {base + offset} names another batch")
