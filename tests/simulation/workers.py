"""Processes that run worlds beside each other, and end quietly when somebody presses Ctrl-C."""

import gc
import signal
from concurrent.futures import ProcessPoolExecutor


def prepare() -> None:
    """In each process: who began them decides when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()


def workers(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, initializer=prepare)
