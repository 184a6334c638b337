"""Snapshots on disk: found as written, damage told apart, a log that fits them or is refused."""

import random
from pathlib import PurePath

import pytest

from data_plane.log.failures import DamagedLog
from data_plane.log.memory_files import MemoryFiles
from data_plane.raft.durable import LOG_NAME, RaftDisk
from data_plane.raft.entries import EntryBatch, HardState, Ready
from data_plane.raft.snapshot import (
    SNAPSHOT_NAME,
    Snapshot,
    decode_snapshot,
    encode_snapshot,
)

DIRECTORY = PurePath("/data/metadata")


def snapshot_at(last_offset: int, term: int = 1) -> Snapshot:
    return Snapshot(last_offset, term, (b"one", b"", b"three"))


def with_log(*batches: EntryBatch) -> tuple[MemoryFiles, RaftDisk]:
    files = MemoryFiles()
    disk = RaftDisk(files, DIRECTORY)
    disk.load()
    disk.persist(Ready(HardState(5, 1)))
    for batch in batches:
        disk.persist(Ready(batches=[batch]))
    return files, disk


BATCHES = [EntryBatch(at * 2, 1, (b"a", b"b")) for at in range(5)]


def publish(disk: RaftDisk, snapshot: Snapshot) -> int:
    draft = disk.draft_snapshot(snapshot.last_offset, lambda: snapshot)
    draft.write()
    draft.publish()
    return draft.size_bytes


def cut(disk: RaftDisk, snapshot: Snapshot) -> None:
    size_bytes = publish(disk, snapshot)
    made = disk.begin_cut(snapshot.last_offset)
    made.write()
    disk.finish_cut(made, size_bytes)


@pytest.mark.parametrize("last_offset", [1, 3, 9])
def test_a_cut_log_goes_on_behind_its_snapshot(last_offset: int) -> None:
    files, disk = with_log(*BATCHES)
    before = disk.log_bytes
    cut(disk, snapshot_at(last_offset))
    assert disk.log_bytes < before
    later = EntryBatch(10, 5, (b"later",))
    disk.persist(Ready(batches=[later]))
    files.crash()
    again = RaftDisk(files, DIRECTORY)
    _, found = again.load()
    assert again.snapshot == snapshot_at(last_offset)
    assert found == [*(each for each in BATCHES if each.last_offset > last_offset), later]


def test_a_second_snapshot_replaces_the_first() -> None:
    files, disk = with_log(*BATCHES)
    cut(disk, snapshot_at(3))
    cut(disk, snapshot_at(7))
    files.crash()
    again = RaftDisk(files, DIRECTORY)
    assert again.load()[1] == BATCHES[4:]
    assert again.snapshot == snapshot_at(7)


def test_a_snapshot_beside_a_whole_log_is_no_contradiction() -> None:
    """A crash after the snapshot and before the cut leaves both."""
    files, disk = with_log(*BATCHES)
    publish(disk, snapshot_at(3))
    files.sync_directory(DIRECTORY)
    files.crash()
    assert RaftDisk(files, DIRECTORY).load()[1] == BATCHES[2:]


def written(files: MemoryFiles, name: str, content: bytes) -> None:
    file = files.open(DIRECTORY / name, create=True)
    file.truncate(0)
    file.append([content], len(content))


def test_a_gap_between_snapshot_and_log_is_refused() -> None:
    files, disk = with_log(*BATCHES)
    cut(disk, snapshot_at(5))
    written(files, SNAPSHOT_NAME, encode_snapshot(snapshot_at(3)))
    with pytest.raises(DamagedLog, match="offset 4 is missing"):
        RaftDisk(files, DIRECTORY).load()


@pytest.mark.parametrize("last_offset", [3, 20])
def test_a_log_that_a_leaders_snapshot_has_replaced_is_emptied(last_offset: int) -> None:
    """A crash came between storing the snapshot and emptying the log, which held other entries."""
    files, _ = with_log(*BATCHES)
    foreign = snapshot_at(last_offset)._replace(term=9)
    written(files, SNAPSHOT_NAME, encode_snapshot(foreign))
    with pytest.raises(DamagedLog, match="term is older"):
        RaftDisk(files, DIRECTORY).load()
    disk = RaftDisk(files, DIRECTORY)
    written(files, SNAPSHOT_NAME, encode_snapshot(snapshot_at(3)))
    disk.load()
    disk.persist(Ready(HardState(9)))
    written(files, SNAPSHOT_NAME, encode_snapshot(foreign))
    disk = RaftDisk(files, DIRECTORY)
    assert disk.load()[1] == []
    assert disk.snapshot == foreign
    follower = EntryBatch(last_offset + 1, 9, (b"next",))
    disk.persist(Ready(batches=[follower]))
    assert RaftDisk(files, DIRECTORY).load()[1] == [follower]


def test_a_log_without_its_beginning_or_its_snapshot_is_refused() -> None:
    files, disk = with_log(*BATCHES)
    cut(disk, snapshot_at(3))
    files.remove(DIRECTORY / SNAPSHOT_NAME)
    with pytest.raises(DamagedLog):
        RaftDisk(files, DIRECTORY).load()


def test_a_snapshot_without_its_log_is_refused() -> None:
    files, disk = with_log(*BATCHES)
    cut(disk, snapshot_at(3))
    files.remove(DIRECTORY / LOG_NAME)
    with pytest.raises(DamagedLog):
        RaftDisk(files, DIRECTORY).load()


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_snapshot_is_refused(seed: int) -> None:
    """Any changed bytes, any missing tail: never a smaller state taken for the whole."""
    rng = random.Random(seed)
    content = bytearray(encode_snapshot(snapshot_at(3)))
    if seed % 2:
        for at in rng.sample(range(len(content)), 2):
            content[at] ^= 1 << rng.randrange(8)
    else:
        del content[rng.randrange(len(content)) :]
    with pytest.raises(ValueError):
        decode_snapshot(bytes(content))
    files, _ = with_log(*BATCHES)
    written(files, SNAPSHOT_NAME, bytes(content))
    with pytest.raises(DamagedLog):
        RaftDisk(files, DIRECTORY).load()


def test_what_is_written_is_read() -> None:
    for snapshot in (snapshot_at(3), Snapshot(-1, 0, ()), Snapshot(1 << 40, 7, (b"x" * 70_000,))):
        assert decode_snapshot(encode_snapshot(snapshot)) == snapshot
