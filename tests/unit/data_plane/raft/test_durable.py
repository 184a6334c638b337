"""What a voter finds again after a crash: everything persisted, and a torn tail cut off."""

import errno
import random
from pathlib import Path, PurePath

import pytest

from data_plane.log.failures import DamagedLog, LogFailure
from data_plane.log.files import DiskFiles, Files
from data_plane.log.memory_files import MemoryFiles
from data_plane.raft.durable import LOG_NAME, STATE_NAME, RaftDisk
from data_plane.raft.entries import EntryBatch, HardState, Ready
from data_plane.raft.failures import DiskFull
from data_plane.raft.frames import encode_frame

DIRECTORY = PurePath("/data/metadata")


def opened(files: Files, directory: PurePath = DIRECTORY) -> RaftDisk:
    disk = RaftDisk(files, directory)
    disk.load()
    return disk


def batches(rng: random.Random, count: int) -> list[EntryBatch]:
    made: list[EntryBatch] = []
    offset = 0
    for term in range(count):
        entries = tuple(rng.randbytes(rng.randrange(60)) for _ in range(rng.randrange(1, 4)))
        made.append(EntryBatch(offset, term, entries))
        offset += len(entries)
    return made


def written(files: Files, made: list[EntryBatch], directory: PurePath = DIRECTORY) -> None:
    disk = opened(files, directory)
    disk.persist(Ready(hard_state=HardState(len(made), 1)))
    for batch in made:
        disk.persist(Ready(batches=[batch]))


def test_a_new_directory_is_empty() -> None:
    assert RaftDisk(MemoryFiles(), DIRECTORY).load() == (HardState(), [])


def test_everything_persisted_survives_a_power_loss() -> None:
    files = MemoryFiles()
    made = batches(random.Random(1), 5)
    written(files, made)
    files.crash()
    assert RaftDisk(files, DIRECTORY).load() == (HardState(5, 1), made)


def test_several_batches_of_one_ready_are_found_as_they_were() -> None:
    files = MemoryFiles()
    made = batches(random.Random(2), 3)
    opened(files).persist(Ready(HardState(3, 1), made))
    assert RaftDisk(files, DIRECTORY).load()[1] == made


@pytest.mark.parametrize("seed", range(60))
def test_a_torn_tail_is_cut_off_at_a_whole_batch(seed: int) -> None:
    """Power fails while the last Ready is written: what survives is the rest, or all of it.

    Method: sync fails, then a crash keeps a random, possibly damaged part of the un-synced bytes.
    """
    rng = random.Random(seed)
    files = MemoryFiles()
    made = batches(rng, 4)
    written(files, made[:2])
    disk = opened(files)
    files.fail("sync", errno.EIO, LOG_NAME)
    with pytest.raises(LogFailure):
        disk.persist(Ready(batches=made[2:]))
    files.crash(rng)
    survived = RaftDisk(files, DIRECTORY).load()[1]
    assert survived in (made[:2], made)
    again = EntryBatch(survived[-1].last_offset + 1, 9, (b"after",))
    written_disk = RaftDisk(files, DIRECTORY)
    written_disk.load()
    written_disk.persist(Ready(HardState(9, 1), [again]))
    files.crash(rng)
    assert RaftDisk(files, DIRECTORY).load()[1] == [*survived, again]


@pytest.mark.parametrize("seed", range(40))
def test_a_tear_at_any_byte_of_a_real_file_keeps_a_prefix(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    made = batches(rng, 5)
    written(DiskFiles(), made, tmp_path / "metadata")
    log = tmp_path / "metadata" / LOG_NAME
    content = log.read_bytes()
    log.write_bytes(content[: rng.randrange(len(content) + 1)])
    survived = RaftDisk(DiskFiles(), tmp_path / "metadata").load()[1]
    assert survived == made[: len(survived)]


@pytest.mark.parametrize("seed", range(40))
def test_damage_before_the_last_frame_is_refused(seed: int, tmp_path: Path) -> None:
    """A flipped byte in what had been synced is never taken for a torn tail."""
    rng = random.Random(seed)
    made = batches(rng, 5)
    written(DiskFiles(), made[:4], tmp_path)
    log = tmp_path / LOG_NAME
    synced = log.stat().st_size
    disk = opened(DiskFiles(), tmp_path)
    disk.persist(Ready(batches=[made[4]]))
    content = bytearray(log.read_bytes())
    content[rng.randrange(synced)] ^= 0xFF
    log.write_bytes(content)
    with pytest.raises(DamagedLog):
        RaftDisk(DiskFiles(), tmp_path).load()


def test_a_damaged_quorum_state_is_refused(tmp_path: Path) -> None:
    """Forgetting a vote could elect two leaders of one term."""
    written(DiskFiles(), [], tmp_path)
    state = tmp_path / STATE_NAME
    content = bytearray(state.read_bytes())
    content[-1] ^= 3
    state.write_bytes(content)
    with pytest.raises(DamagedLog, match="start this broker with another data directory"):
        RaftDisk(DiskFiles(), tmp_path).load()


def test_the_last_frame_is_no_torn_tail_if_one_bit_of_it_is_wrong() -> None:
    """It had been synced and promised to others: cutting it off would take that back."""
    files = MemoryFiles()
    made = batches(random.Random(5), 3)
    written(files, made)
    whole = bytes(files.open(DIRECTORY / LOG_NAME).content)
    last = len(whole) - len(encode_frame(made[-1:]))
    for at in range(last, len(whole)):
        for bit in range(8):
            damaged = files.copy()
            damaged.open(DIRECTORY / LOG_NAME).content[at] ^= 1 << bit
            assert RaftDisk(damaged, DIRECTORY).load()[1] == made
            assert damaged.open(DIRECTORY / LOG_NAME).content == whole, "and it is written back"


def test_a_log_of_a_later_term_than_the_state_is_refused(tmp_path: Path) -> None:
    written(DiskFiles(), batches(random.Random(3), 4), tmp_path)
    (tmp_path / STATE_NAME).unlink()
    with pytest.raises(DamagedLog):
        RaftDisk(DiskFiles(), tmp_path).load()


def test_a_full_disk_leaves_the_log_as_it_was() -> None:
    files = MemoryFiles()
    made = batches(random.Random(4), 3)
    written(files, made[:2])
    disk = opened(files)
    files.fail("append", errno.ENOSPC, LOG_NAME, bytes_before=5)
    with pytest.raises(DiskFull):
        disk.persist(Ready(batches=[made[2]]))
    disk.persist(Ready(batches=[made[2]]))
    assert RaftDisk(files, DIRECTORY).load()[1] == made


def test_a_full_disk_is_told_apart_while_a_vote_is_stored() -> None:
    files = MemoryFiles()
    disk = opened(files)
    files.fail("append", errno.ENOSPC, STATE_NAME)
    with pytest.raises(DiskFull):
        disk.persist(Ready(HardState(7, 1)))
    assert RaftDisk(files, DIRECTORY).load() == (HardState(), [])


@pytest.mark.parametrize("operation", ["append", "sync"])
def test_any_other_failure_of_the_disk_is_final(operation: str) -> None:
    files = MemoryFiles()
    disk = opened(files)
    files.fail(operation, errno.EIO, LOG_NAME)
    with pytest.raises(LogFailure):
        disk.persist(Ready(batches=batches(random.Random(5), 1)))


def test_what_else_fills_the_disk_does_not_stop_the_log_at_once() -> None:
    """Its room was taken beforehand, that of the next term and vote too; then it is full."""
    files = MemoryFiles(capacity_bytes=64 << 20)
    disk = RaftDisk(files, DIRECTORY)
    disk.load()
    disk.persist(Ready(HardState(1, 1)))
    files.allocate(DIRECTORY / "neighbour", files.free_bytes())
    entry = b"x" * 1000
    for offset in range(400):
        state = HardState(2 + offset, 1) if offset < 3 else None
        disk.persist(Ready(state, batches=[EntryBatch(offset, 1, (entry,))]))

    def use_it_up() -> None:
        for offset in range(400, 2000):
            disk.persist(Ready(batches=[EntryBatch(offset, 1, (entry,))]))

    with pytest.raises(DiskFull):
        use_it_up()
    files.crash()
    again = RaftDisk(files, DIRECTORY)
    state, batches = again.load()
    assert state.term == 4
    assert len(batches) >= 400


def test_room_is_taken_again_when_there_is_some() -> None:
    files = MemoryFiles(capacity_bytes=64 << 20)
    disk = RaftDisk(files, DIRECTORY)
    disk.load()
    for offset in range(5000):  # five times what was taken first
        disk.persist(Ready(batches=[EntryBatch(offset, 0, (b"x" * 1000,))]))
    files.allocate(DIRECTORY / "neighbour", files.free_bytes())
    for offset in range(5000, 5300):
        disk.persist(Ready(batches=[EntryBatch(offset, 0, (b"x" * 1000,))]))
