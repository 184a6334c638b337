"""What must not happen while a broker is fed nonsense: a fault of ours, a hang, growth."""

import logging
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

HANG_SECONDS = 10  # Nothing takes a second; ten tell a hang from a machine that is busy.
GROWTH_BYTES_MAX = 50 * 1024 * 1024

Tell = Callable[[int], None]  # So many more frames, batches or directories are done.


def silent(_: int) -> None:
    """Where nobody watches."""


class Faults(logging.Handler):
    """Everything the data plane logs as its own fault, by its last line."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            where = traceback.extract_tb(record.exc_info[2])[-1]
            text = f"{text}: {record.exc_info[1]!r} in {where.name}, line {where.lineno}"
        self.found.append(text)


@contextmanager
def faults() -> Iterator[Faults]:
    """Collect instead of printing; a quarantine and a closed connection are no faults."""
    logger, handler = logging.getLogger("data_plane"), Faults()
    before = logger.propagate, logger.level
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.propagate = before[0]


class Hang(Exception):
    """One piece of work did not come back."""


@contextmanager
def no_hang(what: str, seconds: float = HANG_SECONDS) -> Iterator[None]:
    """Interrupt what goes on for so much CPU time: waiting is not ours, the machine is shared."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Hang(what)

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def resident_bytes(pid: int | str = "self") -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def peak_resident_bytes() -> int:
    """The high mark since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")
