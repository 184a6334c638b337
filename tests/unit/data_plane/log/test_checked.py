"""Stored bytes are compared with their checksums before anybody reads them."""

from collections.abc import Iterator
from typing import Any

import pytest

from data_plane.log.failures import DamagedLog
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.log.segment import FileExtent, segment_path
from data_plane.protocol.records.batch import iter_batches
from tests.factories.record_batches import (
    DIRECTORY,
    append,
    client_batch,
    memory_files,
    new_log,
    read_all,
    reopen,
    sync,
)

BATCHES = 5
LEADER_EPOCHS = (0, 0, 3, 3, 4)


def written() -> tuple[MemoryFiles, PartitionLog, list[bytes]]:
    """A log that this process wrote in the era under way, and its batches."""
    files = memory_files()
    log = new_log(files)
    for number, epoch in enumerate(LEADER_EPOCHS):
        append(log, client_batch([b"%d" % number, b"x"]), leader_epoch=epoch)
    sync(log)
    return files, log, read_all(log)


def flip(files: MemoryFiles, at: int, mask: int) -> None:
    file = files.open(segment_path(DIRECTORY, 0, ".log"))
    whole = bytearray(file.read(0, file.size_bytes()))
    whole[at] ^= mask
    file.truncate(0)
    file.append([bytes(whole)], len(whole))


def in_steps(log: PartitionLog, bytes_max: int) -> Iterator[bytes]:
    """The batches from the beginning on, at most so many bytes at once."""
    offset = 0
    while offset < log.log_end_offset:
        part = log.read(
            offset, bytes_max=bytes_max, offset_limit=log.log_end_offset, at_least_one=True
        )
        view = memoryview(part.read_bytes())
        for at, header in iter_batches(view):
            yield bytes(view[at : at + header.size_bytes])
            offset = header.next_offset


@pytest.mark.parametrize("bytes_max", [1, 1 << 20])
@pytest.mark.parametrize("was_opened", [False, True])
def test_no_flipped_bit_of_any_field_is_read(bytes_max: int, was_opened: bool) -> None:
    files, log, batches = written()
    if was_opened:
        log.close(is_clean=True)
    for at in range(sum(map(len, batches))):
        for mask in (1, 0x80):
            flip(files, at, mask)
            if was_opened:
                log = reopen(files, was_clean=True)
            else:
                log.trusted.era.number += 2
            found: list[bytes] = []
            with pytest.raises(DamagedLog):
                found.extend(in_steps(log, bytes_max))
            assert found == batches[: len(found)]
            flip(files, at, mask)
    log.trusted.era.number += 2
    assert list(in_steps(log, bytes_max)) == batches


def test_who_reads_along_pays_for_no_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    _, log, _ = written()
    checked: list[int] = []
    check = PartitionLog._whole

    def counted(self: PartitionLog, *arguments: Any) -> FileExtent:
        checked.append(self.log_end_offset)
        return check(self, *arguments)

    monkeypatch.setattr(PartitionLog, "_whole", counted)
    for _ in range(4):  # Each in an era of its own, as the writer goes on.
        log.trusted.era.number += 1
        end = log.log_end_offset
        append(log, client_batch(), leader_epoch=4)
        part = log.read(end, bytes_max=1000, offset_limit=end + 1, at_least_one=True)
        assert part.size_bytes
    assert not checked


def test_what_was_read_a_moment_ago_is_not_checked_again() -> None:
    files, log, batches = written()
    log.trusted.era.number += 5
    assert read_all(log) == batches
    flip(files, 70, 1)
    assert read_all(log) != batches, "nothing was read from the disk again, or it was checked"
    log.trusted.era.number += 1
    with pytest.raises(DamagedLog):
        read_all(log)


def test_what_lies_before_the_damage_is_read() -> None:
    files, log, batches = written()
    log.trusted.era.number += 5
    flip(files, len(batches[0]) + len(batches[1]) + 70, 1)
    part = log.read(0, bytes_max=1 << 20, offset_limit=log.log_end_offset, at_least_one=True)
    assert part.read_bytes() == b"".join(batches[:2])


def test_what_is_written_behind_a_cut_is_trusted_and_what_was_before_is_not() -> None:
    files, log, batches = written()
    log.trusted.era.number += 5
    log.truncate_to(4)
    append(log, client_batch([b"new"]), leader_epoch=5)
    flip(files, len(batches[0]) + len(batches[1]) + 70, 1)
    assert log.read(4, bytes_max=1000, offset_limit=5, at_least_one=True).size_bytes
    log.trusted.era.number += 2
    with pytest.raises(DamagedLog):
        log.read(4, bytes_max=1000, offset_limit=5, at_least_one=True)
