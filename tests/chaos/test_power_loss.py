"""What was synced survives a power loss, what was not may go: else the fault tests nothing."""

import random
from pathlib import Path

import pytest

from data_plane.log.files import DiskFiles, write_atomically
from data_plane.log.journal_files import Journal, JournalFiles
from data_plane.log.log_config import LogConfig
from data_plane.log.partition_log import PartitionLog
from tests.chaos.power_loss import lose_power
from tests.factories.record_batches import NOW_MS, append, client_batch, read_all, sync

SEEDS = range(20)


def run_and_lose(seed: int, folder: Path) -> tuple[list[bytes], int, list[bytes]]:
    """Append and sync at random, lose power, reopen: what was written, how much synced, what is."""
    rng = random.Random(seed)
    (folder / "data").mkdir()
    files = JournalFiles(Journal(folder / "journal"))
    config = LogConfig(segment_bytes=1_000)
    directory = folder / "data" / "log"
    files.make_directory(directory)
    log = PartitionLog.create(files, directory, config, now_ms=NOW_MS)
    sync(log)
    files.sync_directory(folder / "data")
    written: list[bytes] = []
    synced = 0
    for number in range(rng.randrange(1, 40)):
        batch = client_batch([b"%d" % number * rng.randrange(1, 60)])
        append(log, batch)
        written.append(bytes(batch))
        if rng.random() < 0.3:
            sync(log)
            synced = len(written)
    lose_power(folder / "data", folder / "journal", rng)
    again = PartitionLog.open(DiskFiles(), directory, config, was_clean=False, now_ms=NOW_MS)
    return written, synced, read_all(again)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_log_keeps_what_it_synced(seed: int, tmp_path: Path) -> None:
    written, synced, found = run_and_lose(seed, tmp_path)
    assert len(found) >= synced
    assert found == written[: len(found)]


def test_something_is_lost_at_times(tmp_path: Path) -> None:
    lost = 0
    for seed in SEEDS:
        (tmp_path / str(seed)).mkdir()
        written, _, found = run_and_lose(seed, tmp_path / str(seed))
        lost += len(written) - len(found)
    assert lost > len(SEEDS) // 2


def test_a_small_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    seen = set()
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        (folder / "data").mkdir(parents=True)
        files = JournalFiles(Journal(folder / "journal"))
        path = folder / "data" / "small"
        write_atomically(files, path, b"old")
        draft = files.open(folder / "data" / "small.tmp", create=True)
        draft.append([b"new"], 3)
        draft.sync()
        files.rename(folder / "data" / "small.tmp", path)
        lose_power(folder / "data", folder / "journal", random.Random(seed))
        seen.add(path.read_bytes())
    assert seen == {b"old", b"new"}


def test_removed_names_may_come_back(tmp_path: Path) -> None:
    seen = set()
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        data = folder / "data"
        data.mkdir(parents=True)
        files = JournalFiles(Journal(folder / "journal"))
        files.make_directory(data / "tree")
        for path in (data / "tree" / "inner", data / "file"):
            files.open(path, create=True).append([b"x"], 1)
            files.open(path).sync()
        files.sync_directory(data / "tree")
        files.sync_directory(data)
        files.remove_tree(data / "tree")
        files.remove(data / "file")
        lose_power(data, folder / "journal", random.Random(seed))
        seen.add(((data / "tree" / "inner").exists(), (data / "file").exists()))
    assert seen == {(False, False), (False, True), (True, True)}


def test_a_synced_removal_stays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    files = JournalFiles(Journal(tmp_path / "journal"))
    files.open(data / "file", create=True).append([b"x"], 1)
    files.remove(data / "file")
    files.sync_directory(data)
    lose_power(data, tmp_path / "journal", random.Random(1))
    assert list(data.iterdir()) == []
