"""Compaction against a naive oracle: what stays, in order, with its offsets (items 46-48)."""

import json
import random

import pytest

from data_plane.log.clean_job import (
    CleanJob,
    decode_job,
    decode_result,
    encode_job,
    encode_result,
)
from data_plane.log.cleaner import clean
from data_plane.log.failures import DamagedLog
from data_plane.log.log_config import LogConfig
from data_plane.log.partition_log import PartitionLog
from data_plane.protocol.errors import OutOfOrderSequence
from data_plane.protocol.records.batch import (
    BATCH_HEADER_BYTES,
    DELETE_HORIZON,
    iter_batches,
    read_header,
)
from data_plane.protocol.records.record import Record, decode_records, encode_batch
from tests.factories.compaction import (
    CONFIG,
    History,
    batches_of,
    compact,
    expected,
    random_log,
    records_of,
    run,
    stage,
    write_random,
)
from tests.factories.record_batches import (
    NOW_MS,
    append,
    client_batch,
    memory_files,
    new_log,
    reopen,
    sync,
)

PAST_HORIZON_MS = NOW_MS + CONFIG.delete_retention_ms


def keyed(
    log: PartitionLog,
    *pairs: tuple[bytes, bytes | None],
    compression: int = 0,
    timestamp_ms: int = NOW_MS,
) -> None:
    records = [Record(at, 0, key, value) for at, (key, value) in enumerate(pairs)]
    encoded = encode_batch(records, base_timestamp_ms=timestamp_ms, compression=compression)
    stage(log, bytearray(encoded))


def closed(log: PartitionLog, *pairs: tuple[bytes, bytes | None], compression: int = 0) -> None:
    """One batch in a segment of its own, and an empty active one behind it."""
    keyed(log, *pairs, compression=compression)
    log.roll()
    sync(log)


@pytest.mark.semantics("46a")
@pytest.mark.parametrize("seed", range(60))
def test_46_the_last_record_of_each_key_stays_with_its_offset_and_order(seed: int) -> None:
    """Goal: exactly the oracle's records. Method: random logs, cleaned, cleaned past the horizon,
    written to again, cleaned again; each time the same after a restart without a clean stop."""
    rng = random.Random(seed)
    files = memory_files()
    log, history = random_log(files, rng)
    end = log.segment_base_offsets[-1]
    before = log.log_end_offset
    assert compact(files, log, history, now_ms=NOW_MS)
    assert records_of(log) == expected(history, end, has_tombstones=True)
    assert compact(files, log, history, now_ms=PAST_HORIZON_MS)
    assert records_of(log) == expected(history, end, has_tombstones=False)
    assert (log.log_end_offset, log.log_start_offset) == (before, 0)
    again = reopen(files, CONFIG)
    assert records_of(again) == expected(history, end, has_tombstones=False)
    check_read_committed(again, history)
    write_random(again, rng, 20, history)
    end = again.segment_base_offsets[-1]
    compact(files, again, history, now_ms=PAST_HORIZON_MS)
    check_read_committed(again, history)
    compact(files, again, history, now_ms=PAST_HORIZON_MS + CONFIG.delete_retention_ms)
    assert records_of(again) == expected(history, end, has_tombstones=False)
    check_read_committed(again, history)


def check_read_committed(log: PartitionLog, history: History) -> None:
    """A consumer that is told the aborted transactions skips their records and no others."""
    to_come = sorted(log.all_aborted_transactions(), key=lambda one: one.first_offset)
    aborting: set[int] = set()
    seen: list[int] = []
    for batch in batches_of(log):
        header = read_header(batch)
        while to_come and to_come[0].first_offset <= header.last_offset:
            aborting.add(to_come.pop(0).producer_id)
        if header.is_control:
            aborting.discard(header.producer_id)
        elif not (header.is_transactional and header.producer_id in aborting):
            records = decode_records(header, memoryview(batch)[BATCH_HEADER_BYTES:])
            seen += [header.base_offset + record.offset_delta for record in records]
    wanted = {r.offset for r in records_of(log)} - history.aborted_offsets
    assert seen == sorted(wanted)


@pytest.mark.parametrize("seed", range(20))
def test_46_a_map_that_is_too_small_cleans_in_several_runs(seed: int) -> None:
    rng = random.Random(seed)
    files = memory_files()
    log, history = random_log(files, rng)
    end = log.segment_base_offsets[-1]
    runs = 0
    while log.compaction.state.first_dirty_offset < end:
        job = log.compaction.plan(NOW_MS, log.log_end_offset)
        assert job is not None
        run(files, log, job, keys_max=9)
        runs += 1
        assert runs < 100
    assert runs > 1
    assert records_of(log) == expected(history, end, has_tombstones=True)


@pytest.mark.semantics("46b")
@pytest.mark.parametrize("seed", range(20))
def test_46_the_active_segment_and_the_unstable_part_are_left_alone(seed: int) -> None:
    rng = random.Random(seed)
    files = memory_files()
    log, history = random_log(files, rng)
    limit = rng.randint(0, log.log_end_offset)
    untouched = [
        batch
        for batch in batches_of(log)
        if read_header(batch).base_offset
        >= max([base for base in log.segment_base_offsets if base <= limit])
    ]
    compact(files, log, history, now_ms=PAST_HORIZON_MS, offset_limit=limit)
    assert batches_of(log)[-len(untouched) :] == untouched


@pytest.mark.semantics("46c")
def test_46_min_compaction_lag_keeps_young_segments_out() -> None:
    files = memory_files()
    config = LogConfig(is_compacted=True, min_compaction_lag_ms=1000, min_cleanable_dirty_ratio=0.0)
    log = new_log(files, config)
    closed(log, (b"k", b"1"), (b"k", b"2"))
    assert log.compaction.urgency(NOW_MS + 999, 10) == 0
    assert log.compaction.plan(NOW_MS + 999, 10) is None
    assert log.compaction.urgency(NOW_MS + 1000, 10) == 1.0


@pytest.mark.semantics("46c")
def test_46_max_compaction_lag_makes_a_run_due_whatever_the_ratio() -> None:
    files = memory_files()
    config = LogConfig(is_compacted=True, max_compaction_lag_ms=1000, min_cleanable_dirty_ratio=1.0)
    log = new_log(files, config)
    closed(log, (b"k", b"1"), (b"k", b"2"))
    assert log.compaction.urgency(NOW_MS + 1000, 10) == 0
    assert log.compaction.urgency(NOW_MS + 1001, 10) > 1
    assert config.roll_ms == 1000


@pytest.mark.semantics("46c")
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 0.7])
def test_46_the_dirty_ratio_decides(ratio: float) -> None:
    """After a cleaning, half as many bytes again are dirty: a third of the whole."""
    files = memory_files()
    log = new_log(files, LogConfig(is_compacted=True, min_cleanable_dirty_ratio=ratio))
    closed(log, *[(b"%d" % i, b"x" * 100) for i in range(20)])
    assert log.compaction.urgency(NOW_MS, log.log_end_offset) == 1.0
    compact(files, log, History(), now_ms=NOW_MS)
    assert log.compaction.urgency(NOW_MS, log.log_end_offset) == 0
    closed(log, *[(b"%d" % i, b"x" * 100) for i in range(10)])
    assert (log.compaction.urgency(NOW_MS, log.log_end_offset) > 0) == (ratio < 0.33)


@pytest.mark.semantics("46d")
def test_46_the_last_batch_of_a_producer_stays_empty_and_keeps_its_sequence() -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    for sequence in range(3):
        append(log, client_batch([b"1"], producer_id=5, producer_epoch=2, sequence=sequence))
    log.roll()
    closed(log, (b"key", b"later"))
    compact(files, log, History(), now_ms=NOW_MS)
    empty, later = (read_header(batch) for batch in batches_of(log))
    assert (empty.records_count, empty.base_offset, empty.last_sequence) == (0, 2, 2)
    assert (later.records_count, later.base_offset) == (1, 3)
    for name in [n for n in files.list_names(log.directory) if n.endswith(".snapshot")]:
        files.remove(log.directory / name)
    again = reopen(files, CONFIG)
    with pytest.raises(OutOfOrderSequence):
        append(again, client_batch(producer_id=5, producer_epoch=2, sequence=4))
    assert append(again, client_batch(producer_id=5, producer_epoch=2, sequence=3)) == [4]


def test_46_batches_that_keep_every_record_are_copied_as_they_are() -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    for codec in range(5):
        closed(log, (b"a%d" % codec, b"v" * 50), (b"b%d" % codec, b"v"), compression=codec)
    before = batches_of(log)
    compact(files, log, History(), now_ms=NOW_MS)
    assert batches_of(log) == before
    assert len(log.segment_base_offsets) == 2


@pytest.mark.parametrize("codec", range(5))
def test_46_a_thinned_batch_keeps_its_codec(codec: int) -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    closed(log, (b"a", b"1"), (b"b", b"2"), (b"c", b"3"), compression=codec)
    closed(log, (b"b", b"4"))
    compact(files, log, History(), now_ms=NOW_MS)
    header = read_header(batches_of(log)[0])
    assert (header.compression, header.records_count, header.last_offset) == (codec, 2, 2)
    assert [r.value for r in records_of(log)] == [b"1", b"3", b"4"]


@pytest.mark.semantics("47a")
def test_47_a_tombstone_lives_until_its_batch_s_horizon() -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    closed(log, (b"k", b"old"), (b"other", b"stays"))
    closed(log, (b"k", None))
    horizon_ms = NOW_MS + 5 + CONFIG.delete_retention_ms
    assert compact(files, log, History(), now_ms=NOW_MS + 5)
    tombstone = read_header(batches_of(log)[1])
    assert tombstone.attributes & DELETE_HORIZON
    assert tombstone.base_timestamp == horizon_ms
    assert tombstone.max_timestamp == NOW_MS
    assert [(r.offset, r.value, r.timestamp_ms) for r in records_of(log)] == [
        (1, b"stays", NOW_MS),
        (2, None, NOW_MS),
    ]
    assert log.compaction.urgency(horizon_ms - 1, 10) == 0
    compact(files, log, History(), now_ms=horizon_ms - 1)
    assert [r.offset for r in records_of(log)] == [1, 2]
    assert read_header(batches_of(log)[1]).base_timestamp == horizon_ms
    assert reopen(files, CONFIG).compaction.urgency(horizon_ms, 10) > 1
    compact(files, log, History(), now_ms=horizon_ms)
    assert [r.offset for r in records_of(log)] == [1]


@pytest.mark.semantics("47b")
@pytest.mark.parametrize("seed", range(30))
def test_47_markers_go_only_after_their_data_and_past_their_horizon(seed: int) -> None:
    """Told as a reader needs it: whoever sees aborted data sees its marker behind it."""
    rng = random.Random(seed)
    files = memory_files()
    log, history = random_log(files, rng)
    end = log.segment_base_offsets[-1]
    now_ms = NOW_MS
    for _ in range(4):
        compact(files, log, history, now_ms=now_ms)
        open_data: set[int] = set()
        for header in map(read_header, batches_of(log)):
            if header.is_control:
                open_data.discard(header.producer_id)
            elif header.is_transactional:
                open_data.add(header.producer_id)
        assert not open_data
        now_ms += CONFIG.delete_retention_ms
    markers = [h for h in map(read_header, batches_of(log)) if h.is_control and h.last_offset < end]
    held = {
        h.producer_id
        for h in map(read_header, batches_of(log))
        if h.is_transactional and not h.is_control
    }
    assert {h.producer_id for h in markers} <= held | set(dict(log.producers.items()))


@pytest.mark.semantics("48a", "48b")
def test_48_a_reader_skips_gaps_and_the_end_does_not_shrink() -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    closed(log, (b"a", b"1"), (b"b", b"1"))
    closed(log, (b"a", b"2"))
    closed(log, (b"b", b"2"))
    closed(log, (b"b", b"3"))
    compact(files, log, History(), now_ms=NOW_MS)
    assert log.log_end_offset == 5
    assert [r.offset for r in records_of(log)] == [2, 4]
    part = log.read(0, bytes_max=1000, offset_limit=5, at_least_one=True)
    assert read_header(part.read_bytes()).base_offset == 2
    closed(log, (b"b", None))
    compact(files, log, History(), now_ms=NOW_MS)
    compact(files, log, History(), now_ms=PAST_HORIZON_MS)
    for one in (log, reopen(files, CONFIG)):
        assert (one.log_start_offset, one.log_end_offset) == (0, 6)
        assert [r.offset for r in records_of(one)] == [2]
        assert not one.read(3, bytes_max=1000, offset_limit=6, at_least_one=True).size_bytes
        assert append(one, client_batch()) == [6]


def test_48_a_reader_in_small_steps_goes_on_behind_a_gap_at_a_segment_s_end() -> None:
    """Each step remembers where the next batch starts; that may be the end of the file. Seeds 126
    and 143 of the worlds: a group's offsets were not loaded behind such a gap.
    """
    files = memory_files()
    log = new_log(files, CONFIG)
    keyed(log, (b"kept", bytes(CONFIG.segment_bytes - 200)))
    closed(log, (b"gone", b"1"))
    keyed(log, (b"gone", bytes(200)))
    closed(log, (b"last", b"1"))
    compact(files, log, History(), now_ms=NOW_MS)
    assert log.segments[0].next_offset == 2
    offset, found = 0, []
    while offset < log.log_end_offset:
        part = log.read(offset, bytes_max=1, offset_limit=log.log_end_offset, at_least_one=True)
        assert part.size_bytes, f"nothing at {offset}, of {log.log_end_offset}"
        ((_, header),) = iter_batches(part.read_bytes())
        found.append(header.base_offset)
        offset = header.next_offset
    assert found == [0, 2, 3]


def test_look_ups_by_time_agree_with_what_is_left() -> None:
    files = memory_files()
    log = new_log(files, CONFIG)
    for at in range(40):
        keyed(log, (b"k%d" % (at % 7), b"x" * 60), timestamp_ms=NOW_MS + at)
    sync(log)
    compact(files, log, History(), now_ms=NOW_MS)
    for one in (log, reopen(files, CONFIG)):
        left = records_of(one)
        for at in range(41):
            first = next((r for r in left if r.timestamp_ms >= NOW_MS + at), None)
            found = one.offset_for_timestamp(NOW_MS + at, 10**9)
            assert (found and found.offset) == (first and first.offset)
        latest = one.offset_of_max_timestamp(10**9)
        assert latest is not None
        assert latest.offset == 39


@pytest.mark.parametrize("at", [*range(12), *range(16, 61), *range(61, 640, 23)])
def test_a_damaged_batch_stops_the_run_and_nothing_is_touched(at: int) -> None:
    """Every field of the header but the leader epoch, which nothing here could judge."""
    files = memory_files()
    log = new_log(files, CONFIG)
    closed(log, *[(b"k%d" % i, b"v" * 50) for i in range(10)])
    path = log.directory / f"{0:020d}.log"
    content = files.open(path).content
    content[at] ^= 0x40
    before = bytes(content)
    job = log.compaction.plan(NOW_MS, 10)
    assert job is not None
    with pytest.raises(DamagedLog):
        clean(files, job)
    log.compaction.end(job, None, refusal="damaged")
    assert bytes(files.open(path).content) == before
    assert not [n for n in files.list_names(log.directory) if n.endswith(".cleaned")]
    assert log.compaction.urgency(NOW_MS, 10) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_job_and_its_result_survive_the_pipe(seed: int) -> None:
    files = memory_files()
    log, _ = random_log(files, random.Random(seed))
    job = log.compaction.plan(NOW_MS, log.log_end_offset)
    assert isinstance(job, CleanJob)
    assert decode_job(encode_job(job)) == job
    result = clean(files, job)
    assert decode_result(json.loads(encode_result(result))) == result
