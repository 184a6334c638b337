"""Lets TLS handshakes begin at a pace that leaves the loop to those who are connected.

A handshake costs milliseconds of computing, a request microseconds, and after a restart thousands
of clients come at once. A loop with time to spare begins as many as fit into that time; a busy one
begins one per interval, which is a quarter of it (durability.md 7).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

INTERVAL_MS = 10.0
HANDSHAKE_MS = 2.5  # measured, P-256 and mutual; a quarter of the interval
BEGUN_MAX = 8  # in one interval, however idle the loop was: their work comes in one turn


class HandshakeQueue:
    """Handshakes that wait for their turn, those under way, and how many of both there may be.

    thread_ms: computing time of the loop's thread so far; with the loop's own clock it tells how
    busy the last interval was.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        under_way_max: int,
        waiting_max: int,
        thread_ms: Callable[[], float] = lambda: time.thread_time() * 1000,
    ) -> None:
        self._loop = loop
        self._under_way_max = under_way_max
        self._waiting_max = waiting_max
        self._thread_ms = thread_ms
        self._waiting: deque[Callable[[], None]] = deque()
        self._under_way = 0
        self._timer: asyncio.TimerHandle | None = None
        self._last_ms, self._last_thread_ms = self._now_ms(), thread_ms()

    def add(self, begin: Callable[[], None]) -> bool:
        """Have `begin` called when it may, at once if nobody waits; False: too many wait.

        Whoever was begun calls `ended` once.
        """
        if len(self._waiting) >= self._waiting_max:
            return False
        self._waiting.append(begin)
        if self._timer is None:
            self._pace()
        return True

    def ended(self) -> None:
        self._under_way -= 1

    def close(self) -> None:
        """Begin no more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _pace(self) -> None:
        """Begin this interval's share; the timer runs until an interval passes without any."""
        self._timer = None
        left = self._share()
        has_begun = False
        while self._waiting and left > 0 and self._under_way < self._under_way_max:
            left -= 1
            self._under_way += 1
            has_begun = True
            self._waiting.popleft()()
        if has_begun or self._waiting:
            self._timer = self._loop.call_later(INTERVAL_MS / 1000, self._pace)

    def _share(self) -> int:
        now_ms, thread_ms = self._now_ms(), self._thread_ms()
        spare_ms = (now_ms - self._last_ms) - (thread_ms - self._last_thread_ms)
        self._last_ms, self._last_thread_ms = now_ms, thread_ms
        return min(max(int(spare_ms / HANDSHAKE_MS), 1), BEGUN_MAX)

    def _now_ms(self) -> float:
        return self._loop.time() * 1000
