"""Calls the broker when something is due: deadlines, group timers, loading, retention."""

import asyncio
import logging

from data_plane.server.turns import Turns

log = logging.getLogger(__name__)

TICK_MS_MAX = 1_000  # also how often the wall clock and idle buffers are looked at
TICK_MS_MIN = 1


class Ticker:
    """One timer for everything; it is set anew behind each turn, and fires early at worst."""

    def __init__(self, turns: Turns, loop: asyncio.AbstractEventLoop) -> None:
        self._turns = turns
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None
        self._fires_ms = 0
        self._looked_ms = 0
        self._look_again: asyncio.TimerHandle | None = None

    def after_turn(self, now_ms: int) -> None:
        """Arm once in a millisecond: the first turn in it at once, all others together behind it.

        Asking everybody when they are due costs as much as a small request.
        """
        if now_ms != self._looked_ms:
            self._looked_ms = now_ms
            self.arm(now_ms)
        elif self._look_again is None:
            self._look_again = self._loop.call_later(TICK_MS_MIN / 1000, self._look)

    def _look(self) -> None:
        self._look_again = None
        self.arm(self._turns.clock.now_ms())

    def arm(self, now_ms: int) -> None:
        """Fire when the broker is due next; a timer that fires before then is left as it is."""
        due_ms = min(self._turns.broker.next_due_ms, now_ms + TICK_MS_MAX)
        if self._handle is not None:
            if self._fires_ms <= due_ms:
                return
            self._handle.cancel()
        wait_ms = max(due_ms - now_ms, TICK_MS_MIN)
        self._fires_ms = now_ms + wait_ms
        self._handle = self._loop.call_later(wait_ms / 1000, self._fire)

    def stop(self) -> None:
        for handle in (self._handle, self._look_again):
            if handle is not None:
                handle.cancel()
        self._handle = self._look_again = None

    def _fire(self) -> None:
        self._handle = None
        clock = self._turns.clock
        clock.follow_wall()
        now_ms = clock.now_ms()
        try:
            self._turns.broker.look_at_wall(now_ms, clock.wall_ms())
            self._turns.broker.tick(now_ms)
        except Exception:
            log.exception("a tick failed")  # The next one must come all the same.
        self._turns.end()
