"""The supervisor with real child processes: start, restart, give up, stop in order."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from control_plane.local.processes import Program, is_alive
from control_plane.local.progress import Progress
from control_plane.local.state_file import ServiceState
from control_plane.local.supervisor import StartFailed, Supervisor
from tests.conftest import wait_for

SLEEPER = "import time; time.sleep(600)"
# Notes its name in the file `order` when it was asked to stop, a little later.
SLOW_STOPPER = """
import signal, sys, time
def bye(*_):
    time.sleep(0.2)
    open("order", "a").write(sys.argv[1])
    sys.exit()
signal.signal(signal.SIGTERM, bye)
open("ready" + sys.argv[1], "w")
time.sleep(600)
"""


def program(folder: Path, name: str, code: str, **more: object) -> Program:
    return Program(
        name=name,
        argv=[sys.executable, "-c", code],
        environment={"PATH": os.environ["PATH"]},
        directory=folder,
        log=folder / f"{name}.log",
        **more,  # type: ignore[arg-type]  # made up by the test
    )


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(ServiceState(os.getpid()), lambda _: None, Progress(sys.stderr))
    yield made
    made.stop([["one", "two", "three"]])


def watch_until(supervisor: Supervisor, condition: Callable[[], bool]) -> str:
    """Run the loop in this, the main thread (children hang on it) until `condition`."""

    def ask_to_stop() -> None:
        wait_for(condition, "the condition")
        supervisor._request_stop(signal.SIGTERM, None)

    asker = threading.Thread(target=ask_to_stop)
    asker.start()
    reason = supervisor.watch()
    supervisor._request_stop(signal.SIGTERM, None)
    asker.join()
    return reason


def test_a_killed_program_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start([program(tmp_path, "one", SLEEPER)])
    state = supervisor._state.programs["one"]
    first = state.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert watch_until(supervisor, lambda: state.restarts == 1) == ""
    assert state.pid != first
    assert state.pid is not None
    assert is_alive(state.pid)


def test_a_program_that_keeps_dying_stops_everything_with_the_reason(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    broken = program(tmp_path, "one", "import time; time.sleep(0.05); print('no luck'); exit(3)")
    supervisor.start([broken])
    reason = watch_until(supervisor, lambda: supervisor._state.programs["one"].restarts >= 4)
    if not reason:  # asked to stop between the fourth restart and the fifth death
        supervisor._stop_requested = False
        reason = supervisor.watch()
    assert "one died 5 times" in reason
    assert "no luck" in reason


def test_a_death_while_waiting_is_told_at_once_with_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    dead = program(tmp_path, "one", "exit('the disk is gone')", is_ready=lambda: False)
    with pytest.raises(StartFailed, match="the disk is gone"):
        supervisor.start([dead])


def test_stages_stop_in_order_and_nothing_is_left(supervisor: Supervisor, tmp_path: Path) -> None:
    for name in ("one", "two"):
        made = program(tmp_path, name, SLOW_STOPPER, is_ready=(tmp_path / f"ready{name}").exists)
        supervisor.start([replace(made, argv=[*made.argv, name])])
    pids = [supervisor._state.programs[name].pid for name in ("one", "two")]
    supervisor.stop([["two"], ["one"]])
    assert (tmp_path / "order").read_text() == "twoone"
    assert not [pid for pid in pids if pid and is_alive(pid)]


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    """kill -9 of the supervisor leaves no program of its behind (brokers are not its children)."""
    code = f"""
import sys, time
from pathlib import Path
from control_plane.local.processes import Program, start
folder = Path({str(tmp_path)!r})
child = start(Program("x", [sys.executable, "-c", {SLEEPER!r}], {{}}, folder, folder / "x.log"))
(folder / "pid").write_text(str(child.pid))
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()), "pid")
    child = int((tmp_path / "pid").read_text())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_alive(child), "the child's end")
