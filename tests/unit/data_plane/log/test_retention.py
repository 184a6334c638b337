"""What retention takes and what it must leave; by time, by size, below the high watermark."""

import pytest

from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from tests.factories.record_batches import (
    NOW_MS,
    append,
    client_batch,
    memory_files,
    new_log,
    read_all,
    reopen,
    sync,
)

SEGMENT = 500


def filled(files: MemoryFiles, config: LogConfig) -> PartitionLog:
    """One batch per segment, a second apart."""
    log = new_log(files, config)
    for i in range(10):
        append(log, client_batch([b"x" * 300], timestamps_ms=[NOW_MS + 1000 * i]))
    assert len(log.segment_base_offsets) == 10
    return log


@pytest.mark.semantics("45a")
@pytest.mark.parametrize("age_ms", [0, 1, 999, 1000, 1001, 4500, 9000, 9001])
def test_by_time_a_segment_goes_when_its_latest_record_is_too_old(age_ms: int) -> None:
    log = filled(memory_files(), LogConfig(segment_bytes=SEGMENT, retention_ms=5000))
    now_ms = NOW_MS + 5000 + age_ms
    gone = log.apply_retention(now_ms)
    assert gone == sum(now_ms - (NOW_MS + 1000 * i) > 5000 for i in range(10))
    assert log.log_start_offset == gone
    assert (log.log_end_offset, len(read_all(log))) == (10, 10 - gone)


@pytest.mark.semantics("45a")
def test_the_active_segment_goes_too_once_another_took_its_place() -> None:
    files = memory_files()
    log = filled(files, LogConfig(segment_bytes=SEGMENT, retention_ms=5000))
    assert log.apply_retention(NOW_MS + 10**6) == 10
    assert (log.log_start_offset, log.log_end_offset, log.size_bytes) == (10, 10, 0)
    assert log.apply_retention(NOW_MS + 10**6) == 0
    assert append(log, client_batch()) == [10]
    sync(log)
    assert reopen(files).log_start_offset == 10


@pytest.mark.semantics("45b")
@pytest.mark.parametrize("kept", range(12))
def test_by_size_the_log_keeps_at_least_retention_bytes(kept: int) -> None:
    files = memory_files()
    one = filled(files, LogConfig(segment_bytes=SEGMENT)).size_bytes // 10
    for retention_bytes in (kept * one, kept * one + 1, max(0, kept * one - 1)):
        config = LogConfig(segment_bytes=SEGMENT, retention_bytes=retention_bytes, retention_ms=-1)
        log = filled(memory_files(), config)
        gone = log.apply_retention(NOW_MS)
        assert log.size_bytes >= min(retention_bytes, 10 * one)
        assert log.size_bytes - one < retention_bytes or log.size_bytes == 0
        assert gone == 10 - len(read_all(log))


def test_nothing_at_or_above_the_high_watermark_goes() -> None:
    log = filled(memory_files(), LogConfig(segment_bytes=SEGMENT, retention_ms=0))
    assert log.apply_retention(NOW_MS + 10**6, offset_limit=3) == 3
    assert log.log_start_offset == 3


@pytest.mark.parametrize(
    "config",
    [
        LogConfig(segment_bytes=SEGMENT, retention_ms=-1),
        LogConfig(segment_bytes=SEGMENT, retention_ms=0, is_deleted=False, is_compacted=True),
    ],
)
def test_unlimited_and_compact_only_logs_keep_everything(config: LogConfig) -> None:
    log = filled(memory_files(), config)
    assert log.apply_retention(NOW_MS + 10**9) == 0


def test_records_without_a_timestamp_are_not_too_old() -> None:
    log = new_log(memory_files(), LogConfig(retention_ms=1))
    append(log, client_batch(timestamps_ms=[-1]))
    assert log.apply_retention(NOW_MS + 10**9) == 0


def test_a_reader_keeps_the_bytes_of_a_segment_that_goes() -> None:
    files = memory_files()
    log = filled(files, LogConfig(segment_bytes=SEGMENT, retention_ms=0))
    extent = log.read(0, bytes_max=10**6, offset_limit=10, at_least_one=True)
    expected = extent.read_bytes()
    log.apply_retention(NOW_MS + 10**6)
    for path in log.garbage:
        files.remove(path)
    assert extent.read_bytes() == expected


def test_a_crash_between_rename_and_unlink_leaves_nothing_behind() -> None:
    files = memory_files()
    log = filled(files, LogConfig(segment_bytes=SEGMENT, retention_ms=5000))
    log.apply_retention(NOW_MS + 9500)
    sync(log)
    files.crash()
    again = reopen(files)
    assert again.log_start_offset == 5
    assert not [n for n in files.list_names(again.directory) if n.endswith(".deleted")]
