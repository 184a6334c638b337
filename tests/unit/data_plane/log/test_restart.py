"""Which stop counts as clean: the last one of this very directory, and of no older copy of it."""

from pathlib import PurePath
from uuid import UUID

import pytest

from data_plane.log.files import read_whole, write_atomically
from data_plane.log.identity import Identity
from data_plane.log.log_dir import LogDir
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.restart import CLEAN_NAME, FORMER_CLEAN, RUNNING_NAME, RestartKind, last_run

ROOT = PurePath("/data")
OURS = Identity("cluster-a", 3, UUID(int=1))
BOOT = "boot-1/2049"


def run(files: MemoryFiles, *, epoch: int | None, boot: str = BOOT) -> LogDir:
    """One run, ended cleanly under an epoch, or killed."""
    log_dir = LogDir.open(files, ROOT, OURS, boot_id=boot)
    if epoch is None:
        files.kill()
    else:
        log_dir.close(is_clean=True, broker_epoch=epoch)
    return log_dir


def content(files: MemoryFiles, name: str) -> bytes:
    found = read_whole(files, ROOT / name)
    assert found is not None
    return found


def judged(files: MemoryFiles, boot: str = BOOT) -> tuple[RestartKind, int]:
    found = last_run(files, ROOT, is_new=False, boot_id=boot)
    return found.kind, found.broker_epoch


def test_a_clean_stop_tells_its_epoch_to_the_next_start_only() -> None:
    files = MemoryFiles()
    run(files, epoch=7)
    assert judged(files) == (RestartKind.CLEAN, 7)
    second = run(files, epoch=None)
    assert (second.restart_kind, second.last_clean_epoch) == (RestartKind.CLEAN, 7)
    third = run(files, epoch=None)
    assert (third.restart_kind, third.last_clean_epoch) == (RestartKind.PROCESS_CRASH, -1)


@pytest.mark.parametrize(
    ("boot", "kind"), [(BOOT, RestartKind.PROCESS_CRASH), ("boot-2", RestartKind.POWER_LOSS)]
)
def test_a_mark_that_is_copied_back_is_not_clean(boot: str, kind: RestartKind) -> None:
    files = MemoryFiles()
    run(files, epoch=7)
    mark = content(files, CLEAN_NAME)
    run(files, epoch=None)
    write_atomically(files, ROOT / CLEAN_NAME, mark)
    assert judged(files, boot) == (kind, -1)


def test_a_mark_that_is_copied_over_a_later_one_is_not_clean() -> None:
    files = MemoryFiles()
    run(files, epoch=7)
    mark = content(files, CLEAN_NAME)
    run(files, epoch=9)
    write_atomically(files, ROOT / CLEAN_NAME, mark)
    assert judged(files) == (RestartKind.PROCESS_CRASH, -1)


def test_a_whole_directory_that_is_put_back_tells_the_epoch_of_then() -> None:
    """It is clean by itself; the controller knows a later epoch."""
    files = MemoryFiles()
    run(files, epoch=7)
    kept = files.copy()
    run(files, epoch=9)
    assert judged(kept) == (RestartKind.CLEAN, 7)
    assert judged(files) == (RestartKind.CLEAN, 9)


def test_a_directory_of_the_software_before_is_believed_once() -> None:
    files = MemoryFiles()
    run(files, epoch=7)
    write_atomically(files, ROOT / CLEAN_NAME, FORMER_CLEAN)
    write_atomically(files, ROOT / RUNNING_NAME, BOOT.encode())
    assert judged(files) == (RestartKind.CLEAN, -1)
    run(files, epoch=None)
    write_atomically(files, ROOT / CLEAN_NAME, FORMER_CLEAN)
    assert judged(files) == (RestartKind.PROCESS_CRASH, -1)


def test_a_kill_of_the_software_before_is_a_crash_of_the_process() -> None:
    files = MemoryFiles()
    run(files, epoch=None)
    write_atomically(files, ROOT / RUNNING_NAME, BOOT.encode())
    assert judged(files) == (RestartKind.PROCESS_CRASH, -1)
    assert judged(files, "boot-2/2049") == (RestartKind.POWER_LOSS, -1)


def test_no_changed_byte_is_taken_for_clean() -> None:
    for name in (CLEAN_NAME, RUNNING_NAME):
        files = MemoryFiles()
        run(files, epoch=7)
        for at in range(len(content(files, name))):
            damaged = files.copy()
            damaged.open(ROOT / name).content[at] ^= 1
            assert judged(damaged)[0] is not RestartKind.CLEAN, (name, at)
