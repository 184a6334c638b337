"""When the garbage collector looks at everything: only while the loop has nothing else to do.

One full collection over 3 million objects stopped a broker for 277 ms (durability.md 5). What is
there at the start is frozen, and is never walked again; young generations go on by themselves.
"""

import gc
from collections.abc import Callable

THRESHOLDS = (50_000, 5)  # of the two young generations: 250,000 objects take about 20 ms
NEVER = 1_000_000_000  # the oldest one: by `FullCollections` alone
BUSY_S_MAX = 600.0  # A loop that is never idle gets one all the same, or cycles would pile up.
IDLE_SHARE = 0.05  # of the time since the last look, spent on the processor


def begin() -> None:
    """At the start of a process: no full collection by itself from now on."""
    gc.set_threshold(*THRESHOLDS, NEVER)


def freeze() -> None:
    """At the end of a start: what lives as long as the process need not be walked again."""
    gc.collect()
    gc.freeze()


class FullCollections:
    """Asked every few seconds; collects if the process was idle since the last time.

    clock, processor: seconds, of the wall and of this process's own work.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        processor: Callable[[], float],
        collect: Callable[[], object] = gc.collect,
    ) -> None:
        self._clock, self._processor, self._collect = clock, processor, collect
        self._looked_s, self._worked_s = clock(), processor()
        self._collected_s = self._looked_s
        self._has_worked = False

    def look(self) -> bool:
        """True if everything was collected; never twice without work in between."""
        now_s, worked_s = self._clock(), self._processor()
        share = (worked_s - self._worked_s) / max(now_s - self._looked_s, 1e-3)
        self._looked_s, self._worked_s = now_s, worked_s
        is_idle = share < IDLE_SHARE
        if not is_idle:
            self._has_worked = True
            if now_s - self._collected_s < BUSY_S_MAX:
                return False
        elif not self._has_worked:
            return False
        self._collect()
        self._has_worked = not is_idle
        self._collected_s = self._looked_s = self._clock()
        self._worked_s = self._processor()
        return True
