"""Processes that run worlds beside each other, and end quietly with who began them.

Ctrl-C and SIGTERM stop a run in order; a run that is killed takes its processes with it.
"""

import ctypes
import gc
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children
from types import FrameType

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM be what Ctrl-C is, for as long as this lasts.

    SIGINT as well: a shell has what it starts in the background ignore it.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prepare() -> None:
    """In each process: who began them decides when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    gc.freeze()


def stop(pool: ProcessPoolExecutor) -> None:
    """At once: a world that was under way is run again the next time."""
    for process in active_children():
        process.kill()
    pool.shutdown(cancel_futures=True)


def workers(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, initializer=prepare)
