"""Where a long run stands: a line that is rewritten on a terminal, now and then a new one else."""

import sys
import time
from typing import TextIO

BAR_CHARS = 24
LINE_EVERY_S = 30.0


class Progress:
    """total: in units of `what`; it may turn out to be less: what is left is told as `at most`."""

    def __init__(
        self, total: int, stream: TextIO = sys.stderr, *, what: str = "worlds", label: str = ""
    ) -> None:
        """label: stands before the bar, where several runs follow each other."""
        self.total = total
        self._what = what
        self._label = f"{label} " if label else ""
        self.done = 0
        self._stream = stream
        self._began_s = self._told_s = time.monotonic()
        self._is_terminal = stream.isatty()

    @property
    def per_minute(self) -> float:
        took_s = time.monotonic() - self._began_s
        return self.done / took_s * 60 if took_s > 0 else 0.0

    def step(self, count: int, note: str = "") -> None:
        """So many more are done; note: what else there is to say."""
        self.done += count
        now_s = time.monotonic()
        if not self._is_terminal and now_s - self._told_s < LINE_EVERY_S:
            return
        self._told_s = now_s
        line = self._line(note)
        self._stream.write(f"\r{line}\033[K" if self._is_terminal else f"{line}\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave the terminal on a line of its own."""
        if self._is_terminal:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def _line(self, note: str) -> str:
        share = min(1.0, self.done / self.total) if self.total else 1.0
        bar = "#" * round(share * BAR_CHARS)
        rate = self.per_minute
        left_s = (self.total - self.done) / rate * 60 if rate else 0.0
        told = f"{self._label}[{bar:-<{BAR_CHARS}}] {self.done}/{self.total} {self._what}, "
        told += f"{rate:.0f}/min, {left_s / 60:.1f} min left at most"
        return f"{told}; {note}" if note else told
