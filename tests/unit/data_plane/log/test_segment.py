"""A closed segment whose index files lie in ways that only the log can tell."""

import struct
from pathlib import PurePath

import pytest

from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.offset_index import decode_offset_index
from data_plane.log.time_index import decode_time_index
from tests.factories.record_batches import (
    DIRECTORY,
    NOW_MS,
    append,
    client_batch,
    memory_files,
    new_log,
    reopen,
)

CONFIG = LogConfig(index_interval_bytes=700)
BATCHES = 60


def closed_log(files: MemoryFiles) -> None:
    log = new_log(files, CONFIG)
    for i in range(BATCHES):
        append(log, client_batch([b"x" * 50] * 2, timestamps_ms=[NOW_MS + 2 * i, NOW_MS + 2 * i]))
    log.close(is_clean=True)


def patch(files: MemoryFiles, path: PurePath, at: int, layout: str, change: int) -> None:
    file = files.open(path)
    (old,) = struct.unpack_from(layout, file.content, at)
    struct.pack_into(layout, file.content, at, old + change)


@pytest.mark.parametrize("change", [-6, -4, -2, 2, 4])
@pytest.mark.parametrize("entry", [0, 2, -2, -1])
def test_an_index_entry_with_a_wrong_offset_skips_no_batch(entry: int, change: int) -> None:
    files = memory_files()
    closed_log(files)
    path = DIRECTORY / f"{0:020d}.index"
    count = files.size_bytes(path) // 8
    assert count > 5
    patch(files, path, (entry % count) * 8, ">i", change)
    log = reopen(files, CONFIG, was_clean=True)
    for offset in range(2 * BATCHES):
        extent = log.read(offset, bytes_max=1, offset_limit=10**9, at_least_one=True)
        (base,) = struct.unpack_from(">q", extent.read_bytes())
        assert base == offset // 2 * 2


@pytest.mark.parametrize("change", [-300, -1, 1, 300])
@pytest.mark.parametrize("entry", [0, 2, -1])
def test_an_index_entry_with_a_wrong_position_misleads_nobody(entry: int, change: int) -> None:
    files = memory_files()
    closed_log(files)
    path = DIRECTORY / f"{0:020d}.index"
    patch(files, path, (entry % (files.size_bytes(path) // 8)) * 8 + 4, ">i", change)
    log = reopen(files, CONFIG, was_clean=True)
    sizes = set()
    for offset in range(2 * BATCHES):
        extent = log.read(offset, bytes_max=1000, offset_limit=10**9, at_least_one=True)
        (base,) = struct.unpack_from(">q", extent.read_bytes())
        assert base == offset // 2 * 2
        sizes.add(extent.size_bytes)
    assert all(size % min(sizes) == 0 for size in sizes), "a read ended inside a batch"


@pytest.mark.parametrize("change", [-5, -1, 1, 5])
@pytest.mark.parametrize("entry", [0, 2, -1])
def test_a_wrong_time_index_entry_hides_no_record(entry: int, change: int) -> None:
    files = memory_files()
    closed_log(files)
    path = DIRECTORY / f"{0:020d}.timeindex"
    patch(files, path, (entry % (files.size_bytes(path) // 12)) * 12, ">q", change)
    log = reopen(files, CONFIG, was_clean=True)
    for i in range(BATCHES):
        found = log.offset_for_timestamp(NOW_MS + 2 * i, 10**9)
        assert found == (2 * i, NOW_MS + 2 * i, 0)
    assert log.offset_of_max_timestamp(10**9) == (2 * (BATCHES - 1), NOW_MS + 2 * (BATCHES - 1), 0)


@pytest.mark.semantics("96b")
def test_index_files_are_kafkas() -> None:
    """Entries name the last offset of a batch, relative, and where the batch starts."""
    files = memory_files()
    closed_log(files)
    content = bytes(files.open(DIRECTORY / f"{0:020d}.index").content)
    log = bytes(files.open(DIRECTORY / f"{0:020d}.log").content)
    last = 0
    for offset, position in struct.iter_unpack(">ii", content):
        (base,) = struct.unpack_from(">q", log, position)
        assert offset == base + 1
        assert position - last > CONFIG.index_interval_bytes
        last = position
    times = bytes(files.open(DIRECTORY / f"{0:020d}.timeindex").content)
    entries = list(struct.iter_unpack(">qi", times))
    assert entries[-1] == (NOW_MS + 2 * (BATCHES - 1), 2 * BATCHES - 1)
    assert all(t == NOW_MS + o - 1 for t, o in entries)


@pytest.mark.parametrize(
    "content",
    [b"x", struct.pack(">iiii", 5, 10, 5, 20), struct.pack(">iiii", 5, 20, 6, 10),
     struct.pack(">ii", -1, 0), struct.pack(">ii", 1, 100), struct.pack(">ii", 1, -5)],
)  # fmt: skip
def test_an_offset_index_that_cannot_be_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        decode_offset_index(content, log_bytes=100)


@pytest.mark.parametrize(
    "content",
    [b"x", struct.pack(">qiqi", 5, 1, 5, 2), struct.pack(">qiqi", 5, 2, 6, 2),
     struct.pack(">qi", 5, -1), struct.pack(">qi", 5, 50)],
)  # fmt: skip
def test_a_time_index_that_cannot_be_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        decode_time_index(content, offsets_max=50)


def test_indexes_read_back_as_written() -> None:
    files = memory_files()
    closed_log(files)
    for suffix in (".index", ".timeindex"):
        content = bytes(files.open(DIRECTORY / f"{0:020d}{suffix}").content)
        if suffix == ".index":
            assert decode_offset_index(content, 10**6).encode() == content
        else:
            assert decode_time_index(content, 10**6).encode() == content


def test_a_full_index_rolls_the_segment() -> None:
    config = LogConfig(index_interval_bytes=1, index_bytes_max=80)
    log = new_log(memory_files(), config)
    for _ in range(40):
        append(log, client_batch([b"x" * 50]))
    assert len(log.segment_base_offsets) >= 3
