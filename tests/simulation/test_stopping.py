"""A run that is told to stop, or killed, leaves no process behind."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.simulation.runs import INTERRUPTED

JOBS = 2
START_S_MAX = 90  # on a machine that has much else to do


@pytest.fixture
def runner(tmp_path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    command = ["-m", "tests.simulation", "cluster", "--seeds", "1000", "--jobs", str(JOBS)]
    process = subprocess.Popen(
        [sys.executable, *command, "--state", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.timeout(3 * START_S_MAX)
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, INTERRUPTED), (signal.SIGINT, INTERRUPTED), (signal.SIGKILL, -9)],
)
def test_its_processes_end_with_it(
    runner: "subprocess.Popen[bytes]", number: signal.Signals, code: int
) -> None:
    wait_for(lambda: len(children(runner.pid)) == JOBS, "no worlds run", START_S_MAX)
    workers = children(runner.pid)
    runner.send_signal(number)
    assert runner.wait() == code
    wait_for(lambda: not any(is_alive(one) for one in workers), "a process is left")


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """It runs, and is not only waiting to be reaped by whoever has it now."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
