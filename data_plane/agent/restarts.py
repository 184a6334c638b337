"""When a broker that died may be started again: soon at first, later each time, then not at all."""

from collections.abc import Sequence

CRASH_LOOP = "CrashLoop"


class RestartPolicy:
    """Deaths of one broker within a sliding window. Pure: time comes in.

    The crash loop holds until `forgive`: by itself a broker that keeps dying would not get well,
    and each start writes.
    """

    def __init__(self, deaths_max: int, window_ms: int, delays_ms: Sequence[int]) -> None:
        self._deaths_max = deaths_max
        self._window_ms = window_ms
        self._delays_ms = delays_ms
        self._deaths_ms: list[int] = []
        self.is_crash_loop = False
        self.restarts = 0  # starts after a death; starts that someone asked for do not count
        self._is_dead = False

    def died(self, now_ms: int) -> None:
        self._deaths_ms = [at for at in self._deaths_ms if now_ms - at < self._window_ms]
        self._deaths_ms.append(now_ms)
        self._is_dead = True
        self.is_crash_loop = self.is_crash_loop or len(self._deaths_ms) >= self._deaths_max

    def started(self) -> None:
        if self._is_dead:
            self.restarts += 1
        self._is_dead = False

    def due_ms(self) -> int:
        """The earliest time of the next start, Unix ms; 0: now. Meaningless in a crash loop."""
        if not self._deaths_ms:
            return 0
        delay = self._delays_ms[min(len(self._deaths_ms), len(self._delays_ms)) - 1]
        return self._deaths_ms[-1] + delay

    def may_start(self, now_ms: int) -> bool:
        return not self.is_crash_loop and now_ms >= self.due_ms()

    def forgive(self) -> None:
        """Forget the deaths: someone changed the desired state, so it is worth trying again."""
        self._deaths_ms = []
        self.is_crash_loop = False
