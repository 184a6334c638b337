"""Random logs for compaction, an oracle that says what must be left of them, and a driver."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from data_plane.log.clean_job import CleanJob
from data_plane.log.cleaner import clean
from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.offset_map import KEYS_MAX
from data_plane.log.partition_log import PartitionLog
from data_plane.protocol.records.batch import BATCH_HEADER_BYTES, iter_batches, read_header
from data_plane.protocol.records.control import Marker, MarkerType, encode_marker
from data_plane.protocol.records.record import Record, decode_records, encode_batch
from tests.factories.record_batches import NOW_MS, new_log, sync

CONFIG = LogConfig(
    segment_bytes=1500,
    index_interval_bytes=200,
    is_compacted=True,
    is_deleted=False,
    min_cleanable_dirty_ratio=0.0,
    delete_retention_ms=1000,
)


class Kept(NamedTuple):
    """One record as a reader sees it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Sequence[tuple[str, bytes | None]]


@dataclass
class History:
    """What was written to a log: data records, and which transactions were aborted."""

    records: list[Kept] = field(default_factory=list)
    aborted_offsets: set[int] = field(default_factory=set)


def write_random(
    log: PartitionLog, rng: random.Random, batches: int, history: History | None = None
) -> History:
    """Append random batches of few keys: tombstones, codecs, idempotent producers, transactions."""
    history = history or History()
    keys = [b"key-%d" % i for i in range(rng.randint(2, 12))]
    keys.append(b"a key longer than what the map keeps as it is" * 3)
    for _ in range(batches):
        if rng.random() < 0.25:
            _write_transaction(log, rng, keys, history)
        else:
            _write_batch(log, rng, keys, history, producer_id=rng.choice((-1, -1, 7, 8)))
    sync(log)
    return history


def _write_transaction(
    log: PartitionLog, rng: random.Random, keys: Sequence[bytes], history: History
) -> None:
    producer_id = rng.choice((21, 22))
    first = log.log_end_offset
    for _ in range(rng.randint(1, 3)):
        _write_batch(log, rng, keys, history, producer_id=producer_id, is_transactional=True)
    is_aborted = rng.random() < 0.5
    last = log.log_end_offset
    marker = encode_marker(
        Marker(MarkerType.ABORT if is_aborted else MarkerType.COMMIT, 0),
        producer_id=producer_id,
        producer_epoch=0,
        timestamp_ms=NOW_MS,
    )
    stage(log, bytearray(marker))
    if is_aborted:
        history.aborted_offsets.update(range(first, last))


def _write_batch(
    log: PartitionLog,
    rng: random.Random,
    keys: Sequence[bytes],
    history: History,
    *,
    producer_id: int,
    is_transactional: bool = False,
) -> None:
    base = log.log_end_offset
    records = [
        Record(
            at,
            rng.randint(-50, 5000),
            rng.choice(keys),
            None if rng.random() < 0.25 else b"value %d " % (base + at) + b"x" * rng.randint(0, 90),
            rng.choice(((), (("name", b"text"), ("other", None)))),
        )
        for at in range(rng.randint(1, 8))
    ]
    known = log.producers.get(producer_id)
    following = known.batches[-1].last_sequence + 1 if known and known.batches else 0
    batch = encode_batch(
        records,
        base_timestamp_ms=NOW_MS + base,
        compression=rng.choice((0, 0, 1, 2, 3, 4)),
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        base_sequence=following if producer_id >= 0 else -1,
        is_transactional=is_transactional,
    )
    stage(log, bytearray(batch))
    history.records += [
        Kept(base + r.offset_delta, r.key, r.value, NOW_MS + base + r.timestamp_delta, r.headers)
        for r in records
    ]


def stage(log: PartitionLog, batch: bytearray) -> None:
    """As the broker's own append: it also takes control and transactional batches."""
    log.stage(memoryview(batch), leader_epoch=0, now_ms=NOW_MS, is_client=False)
    log.write()


def random_log(files: MemoryFiles, rng: random.Random) -> tuple[PartitionLog, History]:
    log = new_log(files, CONFIG)
    return log, write_random(log, rng, rng.randint(15, 60))


def run(files: MemoryFiles, log: PartitionLog, job: CleanJob, keys_max: int = KEYS_MAX) -> None:
    """Carry out one run, as the broker does over several turns."""
    result = clean(files, job, keys_max=keys_max)
    for group in result.groups:
        sync_first = log.compaction.begin_swap(job, group)
        assert sync_first is not None
        sync_first.run()
        assert log.compaction.finish_swap(job, group)
    log.compaction.end(job, result)


def compact(
    files: MemoryFiles,
    log: PartitionLog,
    history: History,
    *,
    now_ms: int,
    offset_limit: int | None = None,
) -> bool:
    """Clean everything cleanable now; False if there was nothing."""
    limit = log.log_end_offset if offset_limit is None else offset_limit
    job = log.compaction.plan(now_ms, limit)
    if job is not None:
        run(files, log, job)
    return job is not None


def batches_of(log: PartitionLog) -> list[bytes]:
    """Every batch from the log start on; the last offsets may be missing."""
    batches: list[bytes] = []
    offset, end = log.log_start_offset, log.log_end_offset
    while part := log.read(
        offset, bytes_max=1 << 20, offset_limit=end, at_least_one=True
    ).read_bytes():
        for at, header in iter_batches(memoryview(part)):
            batches.append(part[at : at + header.size_bytes])
            offset = header.next_offset
    return batches


def records_of(log: PartitionLog) -> list[Kept]:
    """Every data record a read_uncommitted reader sees, in order."""
    found: list[Kept] = []
    for batch in batches_of(log):
        header = read_header(batch)
        if not header.is_control:
            found += [
                Kept(
                    header.base_offset + r.offset_delta,
                    r.key,
                    r.value,
                    header.base_timestamp + r.timestamp_delta,
                    r.headers,
                )
                for r in decode_records(header, memoryview(batch)[BATCH_HEADER_BYTES:])
            ]
    return found


def latest(history: History, end_offset: int) -> dict[bytes | None, int]:
    """The oracle's map: the last offset of each key below an offset, aborted records aside."""
    return {
        r.key: r.offset
        for r in history.records
        if r.offset < end_offset and r.offset not in history.aborted_offsets
    }


def expected(history: History, end_offset: int, *, has_tombstones: bool) -> list[Kept]:
    """What a compaction of all below `end_offset` leaves, tombstones included or not."""
    last = latest(history, end_offset)
    return [
        r
        for r in history.records
        if r.offset >= end_offset
        or (
            r.offset not in history.aborted_offsets
            and r.offset == last[r.key]
            and (has_tombstones or r.value is not None)
        )
    ]
