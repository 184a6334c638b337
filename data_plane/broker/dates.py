"""What date it is, as far as anything may be deleted by its age; pure.

Deleting is what cannot be taken back, so of all that tells the time the earliest counts: the
broker's own clock, which does not follow a wall clock that jumps ahead; the wall clock, which may
have been wrong at the start and was set back since; and for a day, at a start, the time at which
this directory was last in use, if the wall clock says that this was long ago.
"""

import logging
from typing import Final

DAY_MS: Final = 86_400_000
DOUBT_MS: Final = DAY_MS  # Unused for longer: the machine was off, or its clock is wrong.
HELD_MS: Final = DAY_MS  # An operator has so long to see the warning.
DISAGREEMENT_MS: Final = 300_000

log = logging.getLogger(__name__)


class Dates:
    """Ages of records, of producers, of committed offsets and transactional ids are counted by it.

    Deletion by size does not ask.
    """

    def __init__(self, now_ms: int, last_used_ms: int | None) -> None:
        """now_ms: the broker's clock at the start. last_used_ms: None if nothing tells."""
        self._started_ms = now_ms
        self._last_used_ms = last_used_ms
        self._behind_ms = 0  # how far the wall clock is behind the broker's
        self._is_warned = False
        if self._is_held(now_ms):
            log.warning(
                "the clock says that this data directory was last in use %d days ago; for a day "
                "nothing is deleted by its age. If the clock is wrong, set it right and restart; "
                "if it is right and that is too long, stop, remove the file time-mark, and start",
                (now_ms - (last_used_ms or 0)) // DAY_MS,
            )

    def look(self, now_ms: int, wall_ms: int) -> None:
        """Compare the broker's clock with the wall clock; about once a second."""
        self._behind_ms = max(0, now_ms - wall_ms)
        is_off = abs(now_ms - wall_ms) > DISAGREEMENT_MS
        if is_off != self._is_warned:
            self._is_warned = is_off
            if is_off:
                log.warning(
                    "the wall clock was set by %d s; this broker goes on by its own, deletes "
                    "nothing earlier for it, and takes the wall clock over when it is restarted",
                    (wall_ms - now_ms) // 1000,
                )
            else:
                log.info("the wall clock is right again")

    def deletion_ms(self, now_ms: int) -> int:
        """The date, Unix milliseconds, by which ages are counted; `now_ms` or earlier."""
        date_ms = now_ms - self._behind_ms
        if self._last_used_ms is None or not self._is_held(now_ms):
            return date_ms
        return min(date_ms, self._last_used_ms + now_ms - self._started_ms)

    def _is_held(self, now_ms: int) -> bool:
        last_ms = self._last_used_ms
        is_doubtful = last_ms is not None and self._started_ms - last_ms > DOUBT_MS
        return is_doubtful and now_ms - self._started_ms < HELD_MS
