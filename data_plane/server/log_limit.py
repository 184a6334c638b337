"""Keeps a flood of equal events from becoming a flood of log lines."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


class LogLimit:
    """At most `lines_max` warnings in an interval; what was left out is counted in the next one.

    now_s: a monotonic clock, seconds.
    """

    def __init__(
        self, now_s: Callable[[], float], *, lines_max: int = 20, interval_s: float = 10.0
    ) -> None:
        self._now_s = now_s
        self._lines_max = lines_max
        self._interval_s = interval_s
        self._until_s = 0.0
        self._lines = 0
        self._left_out = 0

    def warn(self, text: str, *values: object) -> None:
        """Log a warning, or count it."""
        now_s = self._now_s()
        if now_s >= self._until_s:
            left_out, self._left_out, self._lines = self._left_out, 0, 0
            self._until_s = now_s + self._interval_s
            if left_out:
                log.warning("%d more warnings like the following were left out", left_out)
        self._lines += 1
        if self._lines > self._lines_max:
            self._left_out += 1
        else:
            log.warning(text, *values)
