"""When a dead program is started again, and when the supervisor gives up (design decision 17)."""

from collections import deque
from dataclasses import dataclass, field

DEATHS_MAX = 5  # of one program ...
WINDOW_SECONDS = 60.0  # ... within this: then something is broken that restarting will not mend
BACK_OFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0)


@dataclass(slots=True)
class RestartPolicy:
    """One program's deaths. Pure: the caller brings the time (seconds, monotonic)."""

    deaths: deque[float] = field(default_factory=deque)

    def died(self, now: float) -> float | None:
        """Seconds to wait before the next start, or None to give up."""
        self.deaths.append(now)
        while self.deaths and now - self.deaths[0] > WINDOW_SECONDS:
            self.deaths.popleft()
        if len(self.deaths) >= DEATHS_MAX:
            return None
        return BACK_OFF_SECONDS[len(self.deaths) - 1]
