"""Measures how late a loop is, by a timer on that loop."""

import asyncio
import time
from collections.abc import Callable

from data_plane.broker.loop_lag import PERIOD_MS, LoopLag

PERIOD_S = PERIOD_MS / 1000


class LagProbe:
    """Fires every 50 ms from `start` to `stop`, both called on the loop it measures.

    clock: seconds that only go on. It is read, not the loop's own time: uvloop caches that one at
    the beginning of an iteration, which hides what the iteration itself takes.
    """

    def __init__(self, lag: LoopLag, clock: Callable[[], float] = time.monotonic) -> None:
        self._lag = lag
        self._clock = clock
        self._due_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due_s = self._clock() + PERIOD_S
        self._handle = loop.call_later(PERIOD_S, self._fire, loop)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = self._clock()
        # A timer set for the next whole millisecond is not late by that.
        self._lag.add(max(0.0, (now_s - self._due_s) * 1000), int(now_s * 1000))
        self.start(loop)
