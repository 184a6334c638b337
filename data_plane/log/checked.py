"""Compare stored batches with what is known of them, before somebody reads them.

The CRC-32C covers a batch from its attributes on. Base offset, length, leader epoch and magic lie
before it and are judged by their neighbours and by the log's own epochs.
"""

from data_plane.log.failures import DamagedLog
from data_plane.log.leader_epochs import UNKNOWN, LeaderEpochs
from data_plane.protocol.errors import CorruptBatch
from data_plane.protocol.records.batch import BatchHeader, check_crc, iter_batches


def whole_bytes(
    data: bytes, epochs: LeaderEpochs, *, offset: int, end_offset: int, gaps_end: int
) -> int:
    """How many bytes, from the beginning of `data`, are batches as they were written.

    data: whole batches back to back. offset: the first one holds it, or begins behind a gap.
    end_offset: none reaches it. gaps_end: below it compaction may have left gaps.
    Raises DamagedLog if already the first one is damaged.
    """
    view, expected, end = memoryview(data), offset, 0
    try:
        for at, header in iter_batches(view):
            check_crc(view, at, header)
            _check_place(header, expected, is_first=at == 0, gaps_end=gaps_end)
            _check_epoch(header, epochs.epoch_at(header.base_offset))
            if header.last_offset >= end_offset:
                raise DamagedLog(f"offset {header.last_offset} lies at or behind {end_offset}")
            expected, end = header.next_offset, at + header.size_bytes
    except CorruptBatch as error:
        if not end:
            raise DamagedLog(f"near offset {expected}: {error.message}") from error
    except DamagedLog:
        if not end:
            raise
    return end


def _check_epoch(header: BatchHeader, known: int) -> None:
    if known not in (UNKNOWN, header.partition_leader_epoch):
        raise DamagedLog(
            f"offset {header.base_offset} has leader epoch {header.partition_leader_epoch} "
            f"instead of {known}"
        )


def _check_place(header: BatchHeader, expected: int, *, is_first: bool, gaps_end: int) -> None:
    """expected: the offset that follows the batch before, for the first one that was asked for."""
    base = header.base_offset
    if header.last_offset_delta < 0 or header.last_offset < expected:
        raise DamagedLog(f"offsets {base} to {header.last_offset} where {expected} was expected")
    if base == expected or (is_first and base < expected):
        return
    if base < expected or base > gaps_end:
        raise DamagedLog(f"offset {base} where {expected} was expected")
