"""A process is known by pid, start and command line, and by nothing less."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from data_plane.agent.processes import (
    find_by_marker,
    identity_of,
    is_alive,
    reap,
    send,
    start_mark,
)

MARKER = f"marker-{os.getpid()}"
SLEEP = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_DFL); time.sleep(60)"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", SLEEP, MARKER]) as running:
        yield running
        running.kill()


def test_identity_needs_the_marker(process: subprocess.Popen[bytes]) -> None:
    identity = identity_of(process.pid, MARKER)
    assert identity is not None
    assert is_alive(identity)
    assert identity_of(process.pid, MARKER + "0") is None
    assert identity_of(os.getpid(), MARKER) is None


def test_another_start_time_is_another_process(process: subprocess.Popen[bytes]) -> None:
    identity = identity_of(process.pid, MARKER)
    assert identity is not None
    other = replace(identity, started="another boot 1")
    assert not is_alive(other)
    send(other, signal.SIGKILL)
    assert process.poll() is None


def test_a_zombie_is_dead(process: subprocess.Popen[bytes]) -> None:
    identity = identity_of(process.pid, MARKER)
    assert identity is not None
    send(identity, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, not collected
    assert not is_alive(identity)
    assert start_mark(process.pid) is None


def test_a_process_is_found_by_its_marker(process: subprocess.Popen[bytes]) -> None:
    assert find_by_marker({MARKER, "nobody has this"}) == {MARKER: identity_of(process.pid, MARKER)}


def test_reap_leaves_strangers_and_the_living_alone(process: subprocess.Popen[bytes]) -> None:
    assert reap(process.pid) is None
    assert reap(os.getppid()) is None
