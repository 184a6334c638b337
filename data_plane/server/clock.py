"""The one clock of a broker process: Unix milliseconds that never run backwards."""

import time
from collections.abc import Callable

JUMP_MS = 1_000  # A wall clock further ahead than this was set, or the machine slept.


class Clock:
    """Wall time at the start plus monotonic time since; moved forward where the wall is ahead.

    A wall clock set back would stretch every deadline and reorder timestamps, so it is ignored.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset_s = wall() - monotonic()

    def now_ms(self) -> int:
        return int((self._offset_s + self._monotonic()) * 1000)

    def follow_wall(self) -> None:
        """Catch up with a wall clock that is ahead; called now and then, not for each reading."""
        ahead_s = self._wall() - self._monotonic() - self._offset_s
        if ahead_s * 1000 > JUMP_MS:
            self._offset_s += ahead_s
