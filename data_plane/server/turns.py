"""The end of a loop turn: one write per dirty partition, then the replies it released."""

from collections.abc import Callable
from typing import Protocol

from data_plane.broker.broker import Broker
from data_plane.server.clock import Clock


class Flushable(Protocol):
    def flush(self) -> None:
        """Send the replies that are ready; may take up requests that waited behind them."""


class Turns:
    """Whoever let the broker do something calls `end` before giving the loop back.

    ready: whose replies are flushed at the end of this turn.
    """

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self.broker = broker
        self.clock = clock
        # Behind each turn that may have brought a date forward, with the time it ended at: the
        # ticker looks at its timer.
        self.after: Callable[[int], None] = nothing
        self.has_asked = False  # the broker was asked something since its turn ended
        self.ready: dict[Flushable, None] = {}
        self._is_ending = False

    def wake(self, connection: Flushable) -> None:
        """A reply of this connection became ready: it is flushed at the end of this turn."""
        self.ready[connection] = None

    def forget(self, connection: Flushable) -> None:
        self.ready.pop(connection, None)

    def end(self) -> None:
        """Write, then flush, until neither leaves anything to do. Calls from within are no-ops."""
        if not self._is_ending:
            self.broker.has_new_dates = True
            self.end_requests(self.clock.now_ms())

    def end_requests(self, now_ms: int) -> None:
        """As `end`, of a turn of requests alone, which began just now: dispatch has noted what
        becomes of dates.
        """
        if self._is_ending:
            return
        self._is_ending = True
        broker = self.broker
        try:
            broker.end_turn(now_ms)
            self.has_asked = False
            while self.ready:
                ready, self.ready = self.ready, {}
                for connection in ready:
                    connection.flush()
                if self.has_asked:  # What waited behind those replies has been taken up.
                    now_ms = self.clock.now_ms()
                    broker.end_turn(now_ms)
                    self.has_asked = False
        finally:
            self._is_ending = False
        if broker.has_new_dates:
            broker.has_new_dates = False
            self.after(now_ms)


def nothing(_now_ms: int = 0) -> None:
    """Until a ticker is there."""
