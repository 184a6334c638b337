"""How late a loop is: a histogram of small fixed size, fed by a timer that fires every 50 ms.

The lag of a moment is what a request that arrives then waits before anybody looks at it. So the
samples stand for moments, not for callbacks: a timer that comes late by many periods stands for all
the timers that should have fired meanwhile (else one long stall would count as one sample).
"""

from array import array
from collections.abc import Iterator
from math import ceil, exp2, log2

PERIOD_MS = 50  # One probe each.
WINDOW_MS = 300_000  # `quantile_ms` looks back over one to two of these: 6,000 samples or more.

_LEAST_MS = 0.125
_PER_OCTAVE = 4  # A bucket's upper edge is 19 % above its lower.
_OCTAVES = 19  # up to 65 s
_BUCKETS = _OCTAVES * _PER_OCTAVE + 1  # The first holds everything up to _LEAST_MS.


class LoopLag:
    """Counts of one loop, since the start and of the last minutes; about 2 KB.

    Written by the loop's own thread. Another may read: it sees each count as of now or just before.
    """

    def __init__(self) -> None:
        self.sum_ms = 0.0
        self._whole = array("Q", bytes(8 * _BUCKETS))
        self._window = array("Q", bytes(8 * _BUCKETS))
        self._window_before = array("Q", bytes(8 * _BUCKETS))
        self._window_ends_ms = 0

    @property
    def count(self) -> int:
        return sum(self._whole)

    def add(self, lag_ms: float, now_ms: int) -> None:
        """A probe fired this late; what it stands for is counted with it."""
        if now_ms >= self._window_ends_ms:
            self._window_before, self._window = self._window, array("Q", bytes(8 * _BUCKETS))
            self._window_ends_ms = now_ms + WINDOW_MS
        while lag_ms > 0:
            self._count(lag_ms)
            lag_ms -= PERIOD_MS
            if lag_ms <= 0:
                return
        self._count(0.0)

    def _count(self, lag_ms: float) -> None:
        at = _bucket(lag_ms)
        self._whole[at] += 1
        self._window[at] += 1
        self.sum_ms += lag_ms

    def quantile_ms(self, share: float) -> float:
        """The lag that `share` of the last minutes' moments did not exceed, rounded up; 0 at first.

        The error is that of a bucket: the answer is at most 19 % too high, never too low.
        """
        counts = [a + b for a, b in zip(self._window, self._window_before, strict=True)]
        rank = ceil(sum(counts) * share)
        seen = 0
        for at, count in enumerate(counts):
            seen += count
            if count and seen >= rank:
                return _edge_ms(at)
        return 0.0

    def buckets(self) -> Iterator[tuple[float, int]]:
        """(upper edge in ms, samples up to there since the start) by octaves, the last infinite."""
        seen = 0
        for at, count in enumerate(self._whole):
            seen += count
            if at % _PER_OCTAVE == 0 and at < _BUCKETS - 1:
                yield _edge_ms(at), seen
        yield float("inf"), seen


def _bucket(lag_ms: float) -> int:
    if lag_ms <= _LEAST_MS:
        return 0
    return min(ceil(log2(lag_ms / _LEAST_MS) * _PER_OCTAVE), _BUCKETS - 1)


def _edge_ms(bucket: int) -> float:
    return _LEAST_MS * exp2(bucket / _PER_OCTAVE)
