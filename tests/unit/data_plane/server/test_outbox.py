"""The outbox gives what was put in, in order, whatever the slices."""

import random
from pathlib import PurePath

import pytest

from data_plane.broker.records_part import RecordsPart
from data_plane.log.failures import DamagedLog
from data_plane.log.files import File
from data_plane.log.log_slice import LogSlice
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.segment import FileExtent
from data_plane.server.outbox import Outbox, Part


def empty_file() -> File:
    files = MemoryFiles()
    files.make_directory(PurePath("/logs"))
    return files.open(PurePath("/logs/log"), create=True)


def records_part(rng: random.Random, failures: list[DamagedLog]) -> tuple[RecordsPart, bytes]:
    """A part over one to three extents of one file, and its bytes."""
    file = empty_file()
    whole = rng.randbytes(5_000)
    file.append([whole], len(whole))
    extents, expected = [], b""
    for _ in range(rng.randrange(1, 4)):
        at, size = rng.randrange(4_000), rng.randrange(1, 1_000)
        extents.append(FileExtent(file, at, size))
        expected += whole[at : at + size]
    return RecordsPart(LogSlice(tuple(extents), len(expected)), failures.append), expected


@pytest.mark.parametrize("seed", range(50))
def test_slices_are_the_whole(seed: int) -> None:
    rng = random.Random(seed)
    outbox, expected, failures = Outbox(), b"", list[DamagedLog]()
    for _ in range(rng.randrange(1, 8)):
        part: Part
        if rng.random() < 0.5:
            part, content = records_part(rng, failures)
            assert bytes(part) == content
        else:
            part = content = rng.randbytes(rng.randrange(2_000))
        outbox.put([part])
        expected += content
    sent = b""
    while outbox:
        limit = rng.choice((1, 7, 500, 100_000))
        taken = b"".join(outbox.take(limit))
        assert 0 < len(taken) <= limit
        sent += taken
    assert sent == expected
    assert outbox.memory_bytes == 0
    assert failures == []


def test_only_memory_is_counted() -> None:
    outbox = Outbox()
    part, _ = records_part(random.Random(1), [])
    outbox.put([b"head", part, b"", memoryview(b"tail")])
    counts = [outbox.memory_bytes]
    assert outbox.take(100, may_read=False) == [b"head"]
    assert outbox.take(100, may_read=False) == []
    counts.append(outbox.memory_bytes)
    outbox.clear()
    counts.append(outbox.memory_bytes)
    assert counts == [8, 4, 0]
    assert not outbox


def test_a_file_that_is_too_short_is_damage() -> None:
    file = empty_file()
    file.append([b"short"], 5)
    failures: list[DamagedLog] = []
    part = RecordsPart(LogSlice((FileExtent(file, 0, 9),), 9), failures.append)
    assert bytes(part.read(5)) == b"short"
    with pytest.raises(DamagedLog):
        part.read(5)
    assert len(failures) == 1
