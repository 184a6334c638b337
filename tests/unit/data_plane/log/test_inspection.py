"""An inspection finds damage that recovery would not explain, and nothing in healthy logs."""

import random

import pytest

from data_plane.log.inspection import inspect_partition
from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from tests.factories.compaction import CONFIG, compact, random_log
from tests.factories.record_batches import (
    DIRECTORY,
    NOW_MS,
    append,
    client_batch,
    memory_files,
    new_log,
    sync,
)

SMALL = LogConfig(segment_bytes=600, index_interval_bytes=200)


def filled(files: MemoryFiles) -> PartitionLog:
    log = new_log(files, SMALL)
    for _ in range(12):
        append(log, client_batch([b"x" * 100, b"y"]))
    sync(log)
    return log


@pytest.mark.parametrize("seed", range(15))
def test_healthy_logs_have_no_problem(seed: int) -> None:
    """Written, compacted twice, closed."""
    files = memory_files()
    log, history = random_log(files, random.Random(seed))
    for now_ms in (NOW_MS, NOW_MS + CONFIG.delete_retention_ms):
        found = inspect_partition(files, DIRECTORY)
        assert (found.problems, found.notes) == ([], [])
        assert found.log_end_offset == log.log_end_offset
        assert found.size_bytes == log.size_bytes
        compact(files, log, history, now_ms=now_ms)
    log.close(is_clean=True)
    found = inspect_partition(files, DIRECTORY)
    assert (found.problems, found.notes) == ([], [])


@pytest.mark.parametrize("field_at", [0, 7, 8, 11, 16, 17, 21, 23, 40, 57, 70])
def test_a_flipped_bit_in_a_closed_segment_is_a_problem(field_at: int) -> None:
    files = memory_files()
    filled(files)
    files.open(DIRECTORY / f"{0:020d}.log").content[field_at] ^= 0x10
    assert inspect_partition(files, DIRECTORY).problems


def test_an_epoch_that_falls_is_a_problem() -> None:
    files = memory_files()
    log = new_log(files, SMALL)
    for epoch in (4, 5, 6, 7, 8, 9):
        append(log, client_batch([b"x" * 150]), leader_epoch=epoch)
    files.open(DIRECTORY / f"{0:020d}.log").content[15] += 3
    assert inspect_partition(files, DIRECTORY).problems


def test_a_torn_tail_is_a_note_until_it_reaches_what_was_synced() -> None:
    files = memory_files()
    log = new_log(files)
    append(log, client_batch([b"synced"]))
    log.close(is_clean=True)
    path = log.segments[-1].log_path
    append(log, client_batch([b"not synced"]))
    files.open(path).truncate(files.open(path).size_bytes() - 3)
    found = inspect_partition(files, DIRECTORY)
    assert (len(found.notes), found.problems) == (1, [])
    files.open(path).truncate(10)
    assert inspect_partition(files, DIRECTORY).problems


def test_a_missing_segment_is_a_problem() -> None:
    files = memory_files()
    log = filled(files)
    files.remove(log.segments[1].log_path)
    (problem,) = inspect_partition(files, DIRECTORY).problems
    assert "begins where" in problem


def test_a_damaged_index_is_a_note() -> None:
    files = memory_files()
    filled(files)
    files.open(DIRECTORY / f"{0:020d}.index").content[3] ^= 1
    found = inspect_partition(files, DIRECTORY)
    assert (len(found.notes), found.problems) == (1, [])
