"""Virtual time: one heap of events, and each node's own clocks."""

import heapq
from collections.abc import Callable
from itertools import count
from random import Random

Act = Callable[[], None]


class Schedule:
    """Events in order of time, ties in order of their planning. Milliseconds."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.events = 0
        self._heap: list[tuple[int, int, Act]] = []
        self._sequence = count()

    def after(self, delay_ms: int, act: Act) -> None:
        heapq.heappush(self._heap, (self.now_ms + delay_ms, next(self._sequence), act))

    def run(self, until_ms: int, check: Act | None = None) -> None:
        """Carry events out one by one up to `until_ms`, with `check` behind each."""
        while self._heap and self._heap[0][0] <= until_ms:
            self.now_ms, _, act = heapq.heappop(self._heap)
            self.events += 1
            act()
            if check is not None:
                check()
        self.now_ms = until_ms


class NodeClock:
    """A monotonic clock that drifts by up to half a percent; a wall clock that is set at will.

    One that is wrong runs some other number of times as fast until it is put right.
    """

    def __init__(self, schedule: Schedule, rng: Random) -> None:
        self._schedule = schedule
        self._start_ms = rng.randrange(1_000_000)
        self._rate = self._usual_rate = 1 + rng.uniform(-0.005, 0.005)
        self.wall_offset_ms = 0

    def goes_wrong(self, times: float) -> None:
        """From now on it runs so many times as fast as it should."""
        self._go_on_at(self._usual_rate * times)

    def is_put_right(self) -> None:
        self._go_on_at(self._usual_rate)

    def _go_on_at(self, rate: float) -> None:
        now_ms, self._rate = self.monotonic_ms(), rate
        self._start_ms = now_ms - int(self._schedule.now_ms * rate)

    def world_ms(self, own_ms: int) -> int:
        """How long the world waits while this clock goes on by so much; small drift is let be."""
        return own_ms if self._rate == self._usual_rate else round(own_ms / self._rate)

    def monotonic_ms(self) -> int:
        return self._start_ms + int(self._schedule.now_ms * self._rate)

    def wall_ms(self) -> int:
        return self.monotonic_ms() + self.wall_offset_ms

    def until_ms(self, monotonic_ms: int) -> int:
        """How long the world waits until this clock shows that time."""
        return max(0, int((monotonic_ms - self.monotonic_ms()) / self._rate) + 1)
