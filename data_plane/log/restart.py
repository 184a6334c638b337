"""How the last run of this data directory ended, told by three small files (durability.md 3, 9).

`clean-shutdown` is written last in a clean stop and removed first in a start. `running` holds the
boot id of the machine while a broker runs. `io-failure` says that storage broke a promise.

The first two carry the number of their run, which each start raises, so that a mark copied back
from an earlier stop is none. The clean mark also tells the broker epoch it was written under: the
controller, who knows the last one, then notices a whole directory that was put back. Every changed
byte of both is noticed, and believed to be the worse kind of stop; the third counts whatever it
holds. Before runs had numbers the files were `clean` and the bare boot id: read still, never mixed.
"""

import re
from enum import StrEnum
from pathlib import PurePath
from typing import Final, NamedTuple

import crc32c

from data_plane.log.files import Files, read_whole, write_atomically

CLEAN_NAME = "clean-shutdown"
RUNNING_NAME = "running"
FAILURE_NAME = "io-failure"
FORMER_CLEAN: Final = b"clean\n"
UNKNOWN_EPOCH: Final = -1

_RUNNING: Final = re.compile(rb"(.*)\nrun (\d+)\n")
_CLEAN: Final = re.compile(rb"clean\nrun (\d+)\nbroker epoch (-?\d+)\n")
_CHECKSUM_BYTES: Final = 9  # 8 hex and a line feed


class RestartKind(StrEnum):
    """What a registration reports; the controller decides what each costs."""

    CLEAN = "clean"
    PROCESS_CRASH = "process_crash"
    POWER_LOSS = "power_loss"
    NEW_DIRECTORY = "new_directory"


class LastRun(NamedTuple):
    """number: of the last run, 0 if nothing tells. broker_epoch: under which it ended cleanly."""

    kind: RestartKind
    number: int
    broker_epoch: int = UNKNOWN_EPOCH


def last_run(files: Files, root: PurePath, *, is_new: bool, boot_id: str) -> LastRun:
    """Judge the last run. Only the same boot proves that the page cache outlived the process."""
    running = read_whole(files, root / RUNNING_NAME) or b""
    clean = read_whole(files, root / CLEAN_NAME) or b""
    ran, ended = _match(_RUNNING, running), _match(_CLEAN, clean)
    number = int(ran[2]) if ran else int(ended[1]) if ended else 0
    if is_new:
        return LastRun(RestartKind.NEW_DIRECTORY, number)
    if ran and ended and ran[2] == ended[1]:
        return LastRun(RestartKind.CLEAN, number, int(ended[2]))
    if clean == FORMER_CLEAN and not number:
        return LastRun(RestartKind.CLEAN, number)
    boot = ran[1] if ran else running
    if boot_id and boot == boot_id.encode() and not has_failed(files, root):
        return LastRun(RestartKind.PROCESS_CRASH, number)
    return LastRun(RestartKind.POWER_LOSS, number)


def mark_running(files: Files, root: PurePath, boot_id: str, number: int) -> None:
    """From now on only a clean stop is clean; durable before anything else is written."""
    content = _with_checksum(b"%s\nrun %d\n" % (boot_id.encode(), number))
    write_atomically(files, root / RUNNING_NAME, content)
    if files.exists(root / CLEAN_NAME):
        files.remove(root / CLEAN_NAME)
        files.sync_directory(root)


def mark_clean(files: Files, root: PurePath, number: int, broker_epoch: int) -> None:
    """Say that everything was closed cleanly; nothing may be written after it."""
    content = b"clean\nrun %d\nbroker epoch %d\n" % (number, broker_epoch)
    write_atomically(files, root / CLEAN_NAME, _with_checksum(content))


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


def _match(pattern: re.Pattern[bytes], content: bytes) -> re.Match[bytes] | None:
    """None too if the checksum behind it is another."""
    body = content[:-_CHECKSUM_BYTES]
    return pattern.fullmatch(body) if content == _with_checksum(body) else None


def _with_checksum(body: bytes) -> bytes:
    return body + b"%08x\n" % crc32c.crc32c(body)
