"""The one clock, injected everywhere, so that a month can pass in a test."""

import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """Tells the time; nothing else in the control plane does."""

    def now(self) -> dt.datetime:
        """Return the present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)


class ManualClock:
    """A clock that moves only when told; the in-memory twin for tests and rehearsals."""

    def __init__(self, start: dt.datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware start time")
        self._now = start.astimezone(dt.UTC)

    def now(self) -> dt.datetime:
        return self._now

    def advance(self, **timedelta_parts: float) -> dt.datetime:
        """Move by `timedelta(**timedelta_parts)`, forwards or (a clock jump) backwards."""
        self._now += dt.timedelta(**timedelta_parts)
        return self._now
