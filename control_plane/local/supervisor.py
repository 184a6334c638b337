"""Starts the service's programs in stages, restarts the dead with back-off, stops them in order.

One thread, the main one: children are tied to the thread that made them (processes.py), and a loop
that looks every 50 ms is simpler to trust than signal handlers that act. Handlers only set a flag.
"""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from control_plane.local import processes
from control_plane.local.processes import Program
from control_plane.local.progress import Progress
from control_plane.local.restart_policy import DEATHS_MAX, WINDOW_SECONDS, RestartPolicy
from control_plane.local.state_file import ProgramState, ServiceState, StepState

LOOK_SECONDS = 0.05
READY_SECONDS_MAX = 60.0


class StartFailed(Exception):
    """A program died or never became ready; the message holds the end of its log."""


class StopRequested(Exception):
    """Ctrl-C or SIGTERM came while something was being waited for."""


@dataclass(slots=True)
class Supervised:
    """A program with its process, its deaths and when it may start again."""

    program: Program
    process: subprocess.Popen[bytes]
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    restart_at: float | None = None


class Supervisor:
    """The programs of one `ottla up`. Use: start() per stage, watch(), stop() in a finally."""

    def __init__(
        self,
        state: ServiceState,
        publish: Callable[[ServiceState], None],
        progress: Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._publish = publish
        self._progress = progress
        self._clock = clock
        self._running: dict[str, Supervised] = {}
        self._stop_requested = False

    def install_signal_handlers(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def run_once(self, program: Program) -> None:
        """Run a program to its end as a step of the start. Raises StartFailed."""
        with self.step(program.name):
            process = processes.start(program)
            try:
                self._wait(lambda: process.poll() is not None, program.name)
            except BaseException:
                processes.stop(process, program.stop_signal, 5)
                raise
            if process.returncode != 0:
                raise StartFailed(self._epitaph(program, process.returncode))

    def start(self, programs: Sequence[Program]) -> None:
        """Start a stage's programs together and wait until each is ready. Raises StartFailed."""
        began = {}
        for program in programs:
            began[program.name] = self._clock()
            self._running[program.name] = Supervised(program, processes.start(program))
            self._state.programs[program.name] = ProgramState(self._pid(program.name))
        for program in programs:
            with self.step(program.name, began[program.name]):
                self._wait(program.is_ready, program.name)

    def watch(self) -> str:
        """Keep everything running until asked to stop ("") or beyond help (the reason)."""
        while not self._stop_requested:
            for supervised in self._running.values():
                if reason := self._look_at(supervised):
                    return reason
            time.sleep(LOOK_SECONDS)
        return ""

    def stop(self, stages: Sequence[Sequence[str]]) -> None:
        """Stop the named programs, stage after stage, those of one stage together.

        Never fails, whatever state the programs are in: the remaining ones must be stopped too.
        """
        self._state.phase = "stopping"
        self._tell()
        for stage in stages:
            group = [self._running.pop(name) for name in stage if name in self._running]
            for each in group:
                with contextlib.suppress(OSError):
                    each.process.send_signal(each.program.stop_signal)
            for each in group:
                self._progress.waiting(f"stopping {each.program.name}")
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    processes.stop(
                        each.process, each.program.stop_signal, each.program.stop_seconds_max
                    )
        self._progress.close()

    def _look_at(self, supervised: Supervised) -> str | None:
        """Restart a dead program when it is due; returns why to give up, if that is so."""
        name, now = supervised.program.name, self._clock()
        if supervised.restart_at is None:
            code = supervised.process.poll()
            if code is None:
                return None
            wait = supervised.policy.died(now)
            if wait is None:
                return (
                    f"{name} died {DEATHS_MAX} times within {WINDOW_SECONDS:.0f} s, so everything "
                    f"was stopped. {self._epitaph(supervised.program, code)}"
                )
            self._progress.line(f"{name} ended with {code}; starting it again in {wait} s")
            supervised.restart_at = now + wait
        if now >= supervised.restart_at:
            supervised.restart_at = None
            self._restart(supervised)
        return None

    def _restart(self, supervised: Supervised) -> None:
        supervised.program.prepare()
        supervised.process = processes.start(supervised.program)
        state = self._state.programs[supervised.program.name]
        state.pid, state.restarts = supervised.process.pid, state.restarts + 1
        self._tell()

    def _wait(self, condition: Callable[[], bool], name: str) -> None:
        """Wait for `condition`, watching every program meanwhile: a dead one is not waited for."""
        deadline = self._clock() + READY_SECONDS_MAX
        while not condition():
            if self._stop_requested:
                raise StopRequested
            for each in self._running.values():
                if (code := each.process.poll()) is not None:
                    raise StartFailed(self._epitaph(each.program, code))
            if self._clock() > deadline:
                raise StartFailed(f"{name} was not ready after {READY_SECONDS_MAX:.0f} s")
            time.sleep(0.01)

    @contextlib.contextmanager
    def step(self, name: str, began: float | None = None) -> Iterator[None]:
        """A step of the start: shown while it lasts, told with its seconds, failed if it raises."""
        began = self._clock() if began is None else began
        step = StepState(name)
        self._state.steps.append(step)
        self._tell()
        self._progress.waiting(name)
        try:
            yield
        except BaseException:
            step.failed = True
            raise
        finally:
            step.seconds = round(self._clock() - began, 3)
            self._tell()
        self._progress.done(name, step.seconds)

    def _epitaph(self, program: Program, code: int) -> str:
        end = processes.last_lines(program.log)
        return f"{program.name} ended with {code}. The end of {program.log}:\n{end}"

    def _pid(self, name: str) -> int:
        return self._running[name].process.pid

    def _tell(self) -> None:
        # A full disk must not stop a start, let alone a stop: the file is news, not truth.
        with contextlib.suppress(OSError):
            self._publish(self._state)

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_requested = True
