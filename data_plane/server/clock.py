"""The one clock of a broker process: Unix milliseconds that never run backwards and never jump.

It begins with the wall clock and runs with the machine's own, one hundredth faster or slower while
the wall clock is elsewhere. So whoever sets the wall clock, or lets it drift, ends no session, no
transaction and no connection early: a timeout is off by a hundredth at most. Time in which the
machine slept counts where the machine can tell (CLOCK_BOOTTIME). A wall clock that was set by much
is taken over by a restart; what may be deleted by its age until then, broker/dates.py decides.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

SLEW: Final = 0.01
SLACK_S: Final = 0.1  # A smaller difference is left alone.


# Seconds since the machine was started, its sleep included if possible. Asked several times a
# request, so that no function of ours lies in between.
elapsed_s: Final[Callable[[], float]] = partial(
    time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
)


class Clock:
    """Wall time at the start plus time elapsed since, drawn slowly to the wall clock."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = elapsed_s,
    ) -> None:
        """Both in seconds."""
        self._wall = wall
        self._elapsed = elapsed
        self._begun_s = wall()  # what this clock showed when the rate was last set
        self._begun_at_s = elapsed()
        self._rate = 1.0

    def now_ms(self) -> int:
        now_s = self._begun_s + (self._elapsed() - self._begun_at_s) * self._rate
        return int(now_s * 1000)

    def wall_ms(self) -> int:
        """What the wall clock says; it may jump."""
        return int(self._wall() * 1000)

    def follow_wall(self) -> None:
        """Look where the wall clock is; called about once a second, not for each reading."""
        at_s = self._elapsed()
        self._begun_s += (at_s - self._begun_at_s) * self._rate
        self._begun_at_s = at_s
        ahead_s = self._wall() - self._begun_s
        self._rate = 1.0
        if abs(ahead_s) > SLACK_S:
            self._rate += SLEW if ahead_s > 0 else -SLEW
