"""The service of a demo: `ottla up` as a detached process, followed by its state file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import psutil

from control_plane.local.processes import is_alive, last_lines, started_at_ticks, wait_until_gone
from control_plane.local.progress import Progress
from control_plane.local.state_file import ServiceState, read_state

START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 60.0


class ServiceFailed(Exception):
    """The service did not start or did not stop; the message says why."""


class DemoService:
    """One service on a data directory of its own."""

    def __init__(self, data_directory: Path, port: int) -> None:
        self.data_directory = data_directory
        self._log = data_directory / "up.log"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: dict[int, int | None] = {}  # every process id ever seen, with its start time

    def start(self, progress: Progress) -> ServiceState:
        """Start it and show its steps as they finish. Raises ServiceFailed."""
        # A closed terminal or a `kill` ends the demo, and so must end what it started.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        with _interrupts_held_back():
            self._process = process = self._launch()
        shown = 0
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            state = self._state()
            if state is not None:
                shown = self._show(state, shown, progress)
                if state.phase == "ready":
                    return state
            if process.poll() is not None:
                why = (state and state.reason) or last_lines(self._log)
                raise ServiceFailed(f"the service did not start: {why}")
            time.sleep(0.02)
        raise ServiceFailed(f"the service was not ready after {START_SECONDS_MAX:.0f} s")

    def _launch(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "control_plane.cli.main", "up", "--open-signup"),
                    *("--data-dir", str(self.data_directory), "--port", str(self._port)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _state(self) -> ServiceState | None:
        """What our service wrote; None before its first word (an earlier run's may lie there)."""
        state = read_state(self.data_directory / "run" / "state.json")
        if state is None or self._process is None or state.pid != self._process.pid:
            return None
        return state

    def _show(self, state: ServiceState, shown: int, progress: Progress) -> int:
        for step in state.steps[shown:]:
            if step.seconds is None or step.failed:
                progress.waiting(f"starting {step.name}")
                break
            progress.done(f"  {step.name}", step.seconds)
            shown += 1
        return shown

    def processes(self) -> dict[str, psutil.Process]:
        """The service's processes by name: the supervisor's children, and the brokers.

        Those of this moment: before the service's first word there are none.
        """
        if (state := self._state()) is None:
            return {}
        found = {}
        named = {name: program.pid for name, program in state.programs.items()}
        for name, pid in {"supervisor": state.pid, **named}.items():
            if pid:
                with contextlib.suppress(psutil.NoSuchProcess):
                    found[name] = psutil.Process(pid)
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if "data_plane.server.main" in words and self._is_ours(words):
                count = sum(name.startswith("broker") for name in found)
                found[f"broker {count}" if count else "broker"] = process
        for process in found.values():
            self._seen[process.pid] = started_at_ticks(process.pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in process.children(recursive=True):
                    self._seen[child.pid] = started_at_ticks(child.pid)
        return found

    def memory_mib(self) -> dict[str, float]:
        """Memory of each process with its children (MiB): proportional, or resident."""
        # The supervisor's children are the other entries of the list.
        return {
            name: _memory(process, with_children=name != "supervisor") / 2**20
            for name, process in self.processes().items()
        }

    def stop(self) -> None:
        """Stop it as `ottla down` would. Raises ServiceFailed with what is left."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.processes()
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                raise ServiceFailed(f"process {self._process.pid} did not stop") from None
        left = [
            pid
            for pid, started in self._seen.items()
            if not wait_until_gone(pid, 2) and started_at_ticks(pid) == started
        ]
        # We and whoever started us (a shell, make) may name the directory too.
        ourselves = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        left += [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if self._is_ours(process.info["cmdline"] or []) and process.pid not in ourselves
        ]
        left = [pid for pid in set(left) if is_alive(pid)]
        if left:
            raise ServiceFailed(f"processes left behind: {', '.join(map(str, sorted(left)))}")

    def _is_ours(self, words: list[str]) -> bool:
        return any(str(self.data_directory) in word for word in words)


def _memory(process: psutil.Process, *, with_children: bool) -> int:
    total = 0
    for each in [process, *(process.children(recursive=True) if with_children else [])]:
        try:
            info = each.memory_full_info()
            total += getattr(info, "pss", info.rss)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C inside is raised at the end: a child between fork and its handle has no owner yet."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if seen:
        raise KeyboardInterrupt
