"""Files of a log, where no other test says a clause."""

import struct

import crc32c
import pytest

from data_plane.log.log_config import LogConfig
from data_plane.protocol.records.batch import ATTRIBUTES_AT, CRC_AT
from tests.factories.record_batches import (
    DIRECTORY,
    append,
    client_batch,
    memory_files,
    new_log,
    read_all,
    reopen,
)

LAST_OFFSET_DELTA_AT, RECORDS_COUNT_AT = 23, 57
INT32_MAX = (1 << 31) - 1


def batch_that_counts(count: int) -> memoryview:
    """A batch that takes `count` offsets, whatever it holds."""
    batch = client_batch()
    struct.pack_into(">i", batch, LAST_OFFSET_DELTA_AT, count - 1)
    struct.pack_into(">i", batch, RECORDS_COUNT_AT, count)
    struct.pack_into(">I", batch, CRC_AT, crc32c.crc32c(batch[ATTRIBUTES_AT:]))
    return batch


@pytest.mark.semantics("96d")
def test_a_segment_ends_before_a_relative_offset_leaves_int32() -> None:
    files = memory_files()
    log = new_log(files)
    assert append(log, batch_that_counts(INT32_MAX)) == [0]
    assert append(log, client_batch()) == [INT32_MAX], "the last one that fits"
    assert append(log, client_batch()) == [INT32_MAX + 1]
    assert list(log.segment_base_offsets) == [0, INT32_MAX + 1]
    assert files.exists(DIRECTORY / f"{INT32_MAX + 1:020d}.log")
    log.close(is_clean=True)
    again = reopen(files, was_clean=False)
    assert list(again.segment_base_offsets) == [0, INT32_MAX + 1]
    assert len(read_all(again)) == 3


@pytest.mark.semantics("96c", "23b")
def test_a_roll_writes_a_snapshot_of_the_producers() -> None:
    files = memory_files()
    log = new_log(files, LogConfig(segment_bytes=1_000))
    for sequence in range(30):
        append(log, client_batch(producer_id=5, producer_epoch=0, sequence=sequence))
    bases = list(log.segment_base_offsets)
    assert len(bases) > 2
    names = {name for name in files.list_names(DIRECTORY) if name.endswith(".snapshot")}
    assert f"{bases[-1]:020d}.snapshot" in names


@pytest.mark.semantics("96b")
def test_an_index_has_an_entry_for_each_interval_of_bytes() -> None:
    assert LogConfig().index_interval_bytes == 4_096
    files = memory_files()
    log = new_log(files)
    for _ in range(40):
        append(log, client_batch([b"x" * 1_000]))
    log.close(is_clean=True)
    stem = f"{0:020d}"
    names = set(files.list_names(DIRECTORY))
    assert {f"{stem}.log", f"{stem}.index", f"{stem}.timeindex"} <= names
    size_bytes = files.size_bytes(DIRECTORY / f"{stem}.log")
    entries = files.size_bytes(DIRECTORY / f"{stem}.index") // 8
    assert size_bytes // 4_096 // 2 < entries <= size_bytes // 4_096
