"""A crash at the changes that cleaning and swapping make (reliability.md D11)."""

import random

import pytest

from data_plane.log.cleaner import clean
from data_plane.log.failures import DamagedLog
from data_plane.log.memory_files import MemoryFiles, PowerCut
from data_plane.log.partition_log import PartitionLog
from data_plane.log.swap import ANYWHERE, NAME, CompactionState, read_state, write_state
from tests.factories.compaction import (
    CONFIG,
    History,
    Kept,
    batches_of,
    compact,
    expected,
    latest,
    random_log,
    records_of,
)
from tests.factories.record_batches import (
    DIRECTORY,
    NOW_MS,
    append,
    client_batch,
    memory_files,
    reopen,
    sync,
)

PAST_HORIZON_MS = NOW_MS + CONFIG.delete_retention_ms
LEFTOVERS = (".cleaned", ".swap", ".deleted", ".tmp")


def crash_points(files: MemoryFiles, now_ms: int, history: History) -> int:
    """How many changes one whole run makes to a copy of `files`."""
    copy = files.copy()
    log = reopen(copy, CONFIG)
    before = copy.changes
    run_and_sync(copy, log, history, now_ms)
    return copy.changes - before


def run_and_sync(files: MemoryFiles, log: PartitionLog, history: History, now_ms: int) -> None:
    assert compact(files, log, history, now_ms=now_ms)
    sync(log)


def check_nothing_lost(log: PartitionLog, history: History, end: int, *, may_drop: bool) -> None:
    """Order and offsets kept; the last value of each key there; a missing record had a reason."""
    found = records_of(log)
    written = {record.offset: record for record in history.records}
    assert [r.offset for r in found] == sorted({r.offset for r in found})
    assert all(written[r.offset] == r for r in found)
    there = {r.offset for r in found}
    last = latest(history, end)
    for record in history.records:
        if record.offset not in there:
            assert record.offset < end
            is_superseded = (
                record.offset in history.aborted_offsets or last[record.key] > record.offset
            )
            assert is_superseded or (may_drop and record.value is None)
    if may_drop:
        hidden_by_a_lost_tombstone(found, history, end)


def hidden_by_a_lost_tombstone(found: list[Kept], history: History, end: int) -> None:
    """A value whose tombstone is gone would come back from the dead: none may be there."""
    last = latest(history, end)
    there = {r.offset for r in found}
    for record in found:
        if record.offset < end and record.offset not in history.aborted_offsets:
            assert last[record.key] in there


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("is_past_horizon", [False, True])
def test_d11_a_crash_at_any_step_leaves_the_old_log_or_the_new(
    seed: int, is_past_horizon: bool
) -> None:
    """Goal: D11. Method: count the changes of a run, cut power or kill at up to 14 of them, drawn
    per log so that 100 logs cover all steps; reopen, compare, run again to the end.
    One case: -k "[True-7]"."""
    rng = random.Random(seed)
    files = memory_files()
    log, history = random_log(files, rng)
    now_ms = NOW_MS
    if is_past_horizon:
        compact(files, log, history, now_ms=NOW_MS)
        now_ms = PAST_HORIZON_MS
        sync(log)
    end, log_end = log.segment_base_offsets[-1], log.log_end_offset
    producers = dict(log.producers.items())
    points = crash_points(files, now_ms, history)
    assert points >= 12
    for point in rng.sample(range(points), min(points, 14)):
        copy = files.copy()
        doomed = reopen(copy, CONFIG)
        copy.changes_max = copy.changes + point
        with pytest.raises(PowerCut):
            run_and_sync(copy, doomed, history, now_ms)
        if rng.random() < 0.4:
            copy.kill()
        else:
            copy.crash(rng if rng.random() < 0.5 else None)
        again = reopen(copy, CONFIG)
        check_nothing_lost(again, history, end, may_drop=is_past_horizon)
        assert again.log_end_offset == log_end
        assert {i: p.batches[-1:] for i, p in again.producers.items()} == {
            i: p.batches[-1:] for i, p in producers.items()
        }
        assert not [n for n in copy.list_names(DIRECTORY) if n.endswith(LEFTOVERS)]
        compact(copy, again, history, now_ms=now_ms)
        assert records_of(again) == expected(history, end, has_tombstones=not is_past_horizon)
        once_more = reopen(copy, CONFIG)
        assert batches_of(once_more) == batches_of(again)


@pytest.mark.parametrize("seed", range(10))
def test_a_start_that_crashes_while_it_finishes_a_swap_is_finished_by_the_next(seed: int) -> None:
    rng = random.Random(seed)
    files = memory_files()
    log, history = random_log(files, rng)
    end = log.segment_base_offsets[-1]
    job = log.compaction.plan(NOW_MS, log.log_end_offset)
    assert job is not None
    result = clean(files, job)
    sync_first = log.compaction.begin_swap(job, result.groups[0])
    assert sync_first is not None
    sync_first.run()
    files.crash()
    point = 0
    while True:
        copy = files.copy()
        copy.changes_max = copy.changes + point
        try:
            again = reopen(copy, CONFIG)
            break
        except PowerCut:
            copy.crash(rng)
            again = reopen(copy, CONFIG)
            check_nothing_lost(again, history, end, may_drop=False)
            point += 1
    assert point >= 4
    check_nothing_lost(again, history, end, may_drop=False)


def test_what_shortens_the_log_drops_the_run_under_way() -> None:
    for act in ("truncate", "reset", "delete", "close"):
        files = memory_files()
        log, _ = random_log(files, random.Random(3))
        job = log.compaction.plan(NOW_MS, log.log_end_offset)
        assert job is not None
        result = clean(files, job)
        sync_first = log.compaction.begin_swap(job, result.groups[0])
        assert sync_first is not None
        sync_first.run()
        middle = log.segment_base_offsets[1]
        match act:
            case "truncate":
                log.truncate_to(middle)
            case "reset":
                log.reset_to(7)
            case "delete":
                log.delete_records_before(middle)
            case "close":
                log.close(is_clean=True)
        assert not log.compaction.finish_swap(job, result.groups[0])
        assert log.compaction.begin_swap(job, result.groups[0]) is None
        log.compaction.end(job, result)
        assert not [n for n in files.list_names(DIRECTORY) if n.endswith((".cleaned", ".swap"))]
        before = batches_of(log)
        sync(log)
        files.crash()
        assert batches_of(reopen(files, CONFIG, was_clean=act == "close")) == before


def test_a_run_whose_log_was_cut_under_it_is_no_reason_to_leave_the_log_alone() -> None:
    """A follower's truncation changes what the cleaner is reading: it takes that for damage."""
    files = memory_files()
    log, _ = random_log(files, random.Random(3))
    job = log.compaction.plan(NOW_MS, log.log_end_offset)
    assert job is not None
    middle = log.segments[1]
    assert middle.next_offset - middle.base_offset > 1
    log.truncate_to(middle.next_offset - 1)
    with pytest.raises(DamagedLog) as found:
        clean(files, job)
    log.compaction.end(job, None, refusal=found.value.message)
    assert not log.compaction.refusal
    while len(log.segments) < 3:
        append(log, client_batch())
        log.roll()
    again = log.compaction.plan(NOW_MS, log.log_end_offset)
    assert again is not None
    log.compaction.end(again, None, refusal="it is damaged indeed")
    assert not log.compaction.urgency(NOW_MS, log.log_end_offset)


def test_gaps_are_allowed_only_where_compaction_was() -> None:
    """A base offset is outside the checksum: beyond the compacted part a jump is damage."""
    files = memory_files()
    log, history = random_log(files, random.Random(1))
    compact(files, log, history, now_ms=NOW_MS)
    sync(log)
    end, active = log.log_end_offset, log.segment_base_offsets[-1]
    assert read_state(files, DIRECTORY).gaps_end == active
    append(log, client_batch())
    position = log.segments[-1].size_bytes
    append(log, client_batch())
    path = DIRECTORY / f"{log.segment_base_offsets[-1]:020d}.log"
    files.open(path).content[position + 7] += 3
    assert reopen(files, CONFIG).log_end_offset == end + 1


def test_a_damaged_state_file_allows_gaps_and_a_missing_one_does_not() -> None:
    files = memory_files()
    assert read_state(files, DIRECTORY) == CompactionState()
    state = CompactionState(5, 9, 77)
    write_state(files, DIRECTORY, state)
    assert read_state(files, DIRECTORY) == state
    files.open(DIRECTORY / NAME).content[9] ^= 1
    assert read_state(files, DIRECTORY) == state, "one bit is put right"
    files.open(DIRECTORY / NAME).content[9] ^= 2
    assert read_state(files, DIRECTORY) == CompactionState(0, ANYWHERE)
