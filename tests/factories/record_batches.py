"""Record batches and logs for tests; small, and the same for the same arguments."""

from collections.abc import Sequence
from pathlib import PurePath

from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.protocol.records.batch import iter_batches
from data_plane.protocol.records.record import Record, encode_batch

ROOT = PurePath("/data")
DIRECTORY = ROOT / "log-0"
NOW_MS = 1_700_000_000_000


def client_batch(
    values: Sequence[bytes] = (b"value",),
    *,
    key: bytes | None = b"key",
    timestamps_ms: Sequence[int] = (),
    compression: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    sequence: int = -1,
    is_transactional: bool = False,
    is_control: bool = False,
) -> memoryview:
    """Return a writable batch as a client sends it; timestamps default to NOW_MS."""
    times = list(timestamps_ms) or [NOW_MS] * len(values)
    records = [
        Record(i, time_ms - times[0], key, value)
        for i, (value, time_ms) in enumerate(zip(values, times, strict=True))
    ]
    encoded = encode_batch(
        records,
        base_timestamp_ms=times[0],
        compression=compression,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=sequence,
        is_transactional=is_transactional,
        is_control=is_control,
    )
    return memoryview(bytearray(encoded))


def memory_files() -> MemoryFiles:
    """Return a file system whose ROOT is durably there."""
    files = MemoryFiles()
    files.make_directory(DIRECTORY)
    files.sync_directory(ROOT)
    files.sync_directory(ROOT.parent)
    return files


def new_log(files: MemoryFiles, config: LogConfig | None = None) -> PartitionLog:
    return PartitionLog.create(files, DIRECTORY, config or LogConfig(), now_ms=NOW_MS)


def reopen(
    files: MemoryFiles, config: LogConfig | None = None, *, was_clean: bool = False
) -> PartitionLog:
    return PartitionLog.open(
        files, DIRECTORY, config or LogConfig(), was_clean=was_clean, now_ms=NOW_MS
    )


def append(
    log: PartitionLog, *batches: memoryview, leader_epoch: int = 0, now_ms: int = NOW_MS
) -> list[int]:
    """Stage and write in one turn; return the base offsets."""
    staged = [log.stage(b, leader_epoch=leader_epoch, now_ms=now_ms) for b in batches]
    log.write()
    return [s.base_offset for s in staged]


def sync(log: PartitionLog) -> None:
    ticket = log.sync_ticket()
    ticket.run()
    assert log.complete_sync(ticket)


def read_all(log: PartitionLog) -> list[bytes]:
    """Return every batch from the log start on, as bytes."""
    batches: list[bytes] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        view = memoryview(
            log.read(
                offset, bytes_max=1 << 20, offset_limit=log.log_end_offset, at_least_one=True
            ).read_bytes()
        )
        assert view, "nothing at an offset below the end"
        for at, header in iter_batches(view):
            batches.append(bytes(view[at : at + header.size_bytes]))
            offset = header.next_offset
    return batches
