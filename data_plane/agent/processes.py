"""Knowing a process again: pid, the kernel's start time, and our directory in its command line.

A pid alone repeats, in containers often; the start time tells two holders of one pid apart, and
the command line keeps us from ever ending a process that is not ours.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

IS_LINUX = sys.platform.startswith("linux")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    pid: int
    started: str  # boot id and kernel start time (ticks since boot), or the start in Unix seconds
    marker: str  # a word of its command line: the path of its configuration


@cache
def boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{psutil.boot_time():.0f}"


def start_mark(pid: int) -> str | None:
    """When `pid` started, as text to compare; None where there is no such living process.

    A zombie is dead: an adopted broker's parent may never collect it.
    Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime).
    """
    return _start_on_linux(pid) if IS_LINUX else _start_elsewhere(pid)


def start_mark_of_child(pid: int) -> str:
    """As `start_mark`, of a child that nobody has collected yet: it may have ended already."""
    found = (_start_on_linux if IS_LINUX else _start_elsewhere)(pid, ended_too=True)
    assert found is not None, "the kernel keeps a child until it is collected"
    return found


def _start_on_linux(pid: int, *, ended_too: bool = False) -> str | None:
    try:
        # The command's name, field 2, may hold anything but ends with the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" and not ended_too else f"{boot_id()} {fields[19]}"


def _start_elsewhere(pid: int, *, ended_too: bool = False) -> str | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE and not ended_too:
            return None
        return repr(process.create_time())
    except psutil.NoSuchProcess:
        return None


def identity_of(pid: int, marker: str) -> ProcessIdentity | None:
    """The identity of `pid` if it lives and `marker` is a word of its command line."""
    started = start_mark(pid)
    if started is None or marker not in command_line(pid):
        return None
    return ProcessIdentity(pid, started, marker)


def is_alive(identity: ProcessIdentity) -> bool:
    return start_mark(identity.pid) == identity.started


def command_line(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []


def find_by_marker(markers: set[str]) -> dict[str, ProcessIdentity]:
    """Search all processes for the markers: finds what was started but not yet written down."""
    found = {}
    for process in psutil.process_iter(["pid", "cmdline"]):
        for marker in markers.intersection(process.info["cmdline"] or []):
            if (identity := identity_of(process.info["pid"], marker)) is not None:
                found[marker] = identity
    return found


def send(identity: ProcessIdentity, number: signal.Signals) -> None:
    """Signal that very process; a later holder of its pid is left alone."""
    if is_alive(identity):
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.pid, number)


def reap(pid: int) -> int | None:
    """Collect an ended child: its exit status (negative: the signal), None if there is none."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None  # adopted, or collected before
    return os.waitstatus_to_exitcode(status) if ended else None


def watch(pid: int, on_death: Callable[[], None]) -> Callable[[], None]:
    """Call `on_death` on the running loop once `pid` ends; returns what stops watching.

    Where the kernel has no pidfd the caller's own ticks find it later. The caller checks the
    identity after this call: the pid could have ended, and been given away, just before.
    """
    if not hasattr(os, "pidfd_open"):
        return _nothing
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return _nothing
    loop = asyncio.get_running_loop()

    def close() -> None:
        nonlocal descriptor
        if descriptor >= 0:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            descriptor = -1

    def died() -> None:
        close()
        on_death()

    loop.add_reader(descriptor, died)
    return close


def _nothing() -> None:
    return
