"""Processes that run worlds beside each other, and end quietly with who began them.

Ctrl-C and SIGTERM stop a run in order; a run that is killed takes its processes with it.
"""

import ctypes
import gc
import os
import signal
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import active_children
from types import FrameType
from typing import ParamSpec, Self, TypeVar

from tests.stopping import handled

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOOK_EVERY_S = 0.2  # whether the run was told to stop
P = ParamSpec("P")
T = TypeVar("T")


class Stopped(Exception):
    """The run was told to stop."""


class Workers:
    """So many processes. A signal is only noted, and told where nothing is half done: a
    KeyboardInterrupt inside of an executor leaves locks behind that nobody opens again.
    """

    def __init__(self, jobs: int) -> None:
        self._pool = ProcessPoolExecutor(jobs, initializer=prepare, initargs=(os.getpid(),))
        self._is_stopped = False
        self._noted = handled(self._note)

    def __enter__(self) -> Self:
        self._noted.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """After an error at once: a world that was under way is run again the next time."""
        if error[0] is not None:
            for process in active_children():
                process.kill()
        self._pool.shutdown(cancel_futures=True)
        self._noted.__exit__(None, None, None)

    def submit(self, work: Callable[P, T], *args: P.args, **more: P.kwargs) -> Future[T]:
        return self._pool.submit(work, *args, **more)

    def wait(self, running: set[Future[T]]) -> tuple[set[Future[T]], set[Future[T]]]:
        """Those that are done, at least one, and those that are not. Raises Stopped."""
        while True:
            if self._is_stopped:
                raise Stopped
            done, rest = wait(running, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
            if done:
                return done, rest

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._is_stopped = True


def prepare(parent: int) -> None:
    """In each process: who began them decides when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was killed before it was known that we end with it
        os._exit(1)
    gc.freeze()
