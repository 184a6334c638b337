"""One child process: how it is started, known again, and stopped.

Children get a session of their own, so that Ctrl-C in a terminal reaches only the supervisor, which
stops them in order; and PR_SET_PDEATHSIG where Linux has it, so that none of them outlives a
supervisor that was killed. The death signal fires when the creating *thread* ends: start children
from the main thread only.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from control_plane.local.accounts import Account

PR_SET_PDEATHSIG = 1
LOG_BYTES_MAX = 16 << 20  # a longer log is moved to .1 when its program starts


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `dies_with_parent`: killed by the kernel when the supervisor is."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds_max: float = 10.0
    is_ready: Callable[[], bool] = field(default=lambda: True)
    prepare: Callable[[], object] = field(default=lambda: None)  # before each restart


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start `program` detached from the terminal, its output appended to its log."""
    rotate(program.log)
    identity: dict[str, Any] = program.account.popen_arguments() if program.account else {}
    with program.log.open("ab") as log:
        return subprocess.Popen(
            list(program.argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(program.environment),
            cwd=program.directory,
            start_new_session=True,
            # Runs after the change of account, which would clear the setting.
            preexec_fn=die_with_parent,  # noqa: PLW1509 - the child has one thread, and calls prctl alone
            **identity,
        )


def stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals, seconds_max: float) -> bool:
    """Ask, wait, insist. Returns False where it had to be killed."""
    if process.poll() is not None:
        return True
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(stop_signal)
    try:
        process.wait(seconds_max)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait(5)
        return False
    return True


def rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES_MAX:
            log.replace(log.with_name(log.name + ".1"))


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for an error message; "" where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-count:])


def started_at_ticks(pid: int) -> int | None:
    """The kernel's start time of a process (clock ticks since boot), None if it is gone.

    A process id alone is no identity: the number is given again. Linux only; elsewhere None.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether a process exists (a zombie does not count where that can be told)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return sys.platform != "linux" or started_at_ticks(pid) is not None


def wait_until_gone(pid: int, seconds_max: float) -> bool:
    deadline = time.monotonic() + seconds_max
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Run in a child before it becomes its program; where the kernel has no such thing, nothing."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
