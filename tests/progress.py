"""Where a long run stands: a line that is rewritten on a terminal, now and then a new one else.

It goes to stderr: what a run has found stays alone on stdout. Nothing here may fail a run.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from threading import Event, RLock, Thread
from types import TracebackType
from typing import Self, TextIO

BAR_CHARS = 24
REDRAWN_EVERY_S = 1.0  # on a terminal, while nothing gets done
LINE_EVERY_S = 30.0


class Progress:
    """total: in units of `what`; 0: nobody knows beforehand.

    Entered as a context it also tells of itself while nothing gets done, so that a run that stands
    still can be told from one that takes its time.
    """

    def __init__(
        self,
        total: int,
        stream: TextIO | None = None,
        *,
        what: str = "worlds",
        label: str = "",
        is_at_most: bool = False,
        look: Callable[[], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """stream: stderr by default. label: stands before the bar, where runs follow each other.

        is_at_most: the total may turn out to be less. look: what else there is to say, asked from
        another thread whenever a line is due.
        """
        self.total = total
        self.done = 0
        self.is_estimated = True  # until no more of it comes; what follows is not counted
        self._what = what
        self._label = f"{label} " if label else ""
        self._bound = " at most" if is_at_most else ""
        self._stream = stream or sys.stderr
        self._look = look
        self._clock = clock
        self._note = ""
        self._began_s = self._told_s = clock()
        self._lock = RLock()
        self._ended = Event()
        self._thread = Thread(target=self._keep_telling, daemon=True)
        with contextlib.suppress(ValueError):
            self._is_terminal = self._stream.isatty()

    @property
    def per_minute(self) -> float:
        took_s = self._clock() - self._began_s
        return self.done / took_s * 60 if took_s > 0 else 0.0

    def step(self, count: int, note: str = "") -> None:
        """So many more are done; note: what else there is to say."""
        self.reach(self.done + count, note)

    def reach(self, done: int, note: str = "") -> None:
        """So many are done by now."""
        self.done, self._note = done, note
        self.tell(is_due=self._is_terminal)

    def tell(self, *, is_due: bool = False) -> None:
        """Say where the run stands, if the last line is old enough; is_due: in any case."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if not is_due and self._clock() - self._told_s < self._every_s:
                return
            self._told_s = self._clock()
            line = self._line(self._note or self._look())
            if self._is_terminal:
                line = f"\r{line[: self._columns()]}\033[K"
            self._stream.write(line if self._is_terminal else f"{line}\n")
            self._stream.flush()

    def say(self, found: str) -> None:
        """Print what was found, on stdout; a line on the terminal makes way for it."""
        with self._lock:
            self._wipe()
            print(found, flush=True)

    def end(self) -> None:
        """Leave the terminal on a line of its own."""
        self._ended.set()
        self._wipe()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.end()

    def _wipe(self) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._is_terminal:
                self._stream.write("\r\033[K")
                self._stream.flush()

    @property
    def _every_s(self) -> float:
        return REDRAWN_EVERY_S if self._is_terminal else LINE_EVERY_S

    def _keep_telling(self) -> None:
        while not self._ended.wait(REDRAWN_EVERY_S):
            self.tell()

    def _columns(self) -> int | None:
        """A longer line would go on in the next row, and stay there. None: it is not known."""
        try:
            return max(0, os.get_terminal_size(self._stream.fileno()).columns - 1) or None
        except OSError:
            return None

    def _line(self, note: str) -> str:
        told = f"{self._label}{self._counted()}, {minutes(self._clock() - self._began_s)}"
        if self.is_estimated and 0 < self.done < self.total:
            left_s = (self.total - self.done) / self.per_minute * 60 if self.per_minute else 0.0
            told += f", {self.per_minute:.0f}/min, {minutes(left_s)} left{self._bound}"
        return f"{told}; {note}" if note else told

    def _counted(self) -> str:
        if not self.total:
            return f"{self.done} {self._what}"
        bar = "#" * round(min(1.0, self.done / self.total) * BAR_CHARS)
        return f"[{bar:-<{BAR_CHARS}}] {self.done}/{self.total} {self._what}"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"
