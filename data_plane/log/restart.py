"""How the last run of this data directory ended, told by three small files (durability.md 3).

`clean-shutdown` is written last in a clean stop and removed first in a start. `running` holds the
boot id of the machine while a broker runs. `io-failure` says that storage broke a promise.
What the first two hold is known beforehand, so that every changed byte is noticed, and believed to
be the worse kind of stop; the third counts whatever it holds.
"""

from enum import StrEnum
from pathlib import PurePath

from data_plane.log.files import Files, read_whole, write_atomically

CLEAN_NAME = "clean-shutdown"
RUNNING_NAME = "running"
FAILURE_NAME = "io-failure"
CLEAN_CONTENT = b"clean\n"


class RestartKind(StrEnum):
    """What a registration reports; the controller decides what each costs."""

    CLEAN = "clean"
    PROCESS_CRASH = "process_crash"
    POWER_LOSS = "power_loss"
    NEW_DIRECTORY = "new_directory"


def restart_kind(files: Files, root: PurePath, *, is_new: bool, boot_id: str) -> RestartKind:
    """Judge the last run. Only the same boot proves that the page cache outlived the process."""
    if is_new:
        return RestartKind.NEW_DIRECTORY
    if read_whole(files, root / CLEAN_NAME) == CLEAN_CONTENT:
        return RestartKind.CLEAN
    is_same_boot = boot_id and read_whole(files, root / RUNNING_NAME) == boot_id.encode()
    if is_same_boot and not has_failed(files, root):
        return RestartKind.PROCESS_CRASH
    return RestartKind.POWER_LOSS


def mark_running(files: Files, root: PurePath, boot_id: str) -> None:
    """From now on only a clean stop is clean; durable before anything else is written."""
    write_atomically(files, root / RUNNING_NAME, boot_id.encode())
    if files.exists(root / CLEAN_NAME):
        files.remove(root / CLEAN_NAME)
        files.sync_directory(root)


def mark_clean(files: Files, root: PurePath) -> None:
    """Say that everything was closed cleanly; nothing may be written after it."""
    write_atomically(files, root / CLEAN_NAME, CLEAN_CONTENT)


def mark_failure(files: Files, root: PurePath, reason: str) -> bool:
    """Try to leave a note that storage failed; False if even that could not be written."""
    try:
        write_atomically(files, root / FAILURE_NAME, reason.encode())
    except OSError:
        return False
    return True


def has_failed(files: Files, root: PurePath) -> bool:
    """True from a failure of storage until a recovery is through."""
    return files.exists(root / FAILURE_NAME)


def clear_failure(files: Files, root: PurePath) -> None:
    """Forget a failure once recovery has synced everything it kept."""
    if has_failed(files, root):
        files.remove(root / FAILURE_NAME)
        files.sync_directory(root)
