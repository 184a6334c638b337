"""Durations as people write them: "10d", "36h", "86400000"."""

import re

from control_plane.domain.errors import Invalid

# No weeks: the Heroku CLI knows none, and both must read one text alike (heroku-contract.md a.1).
_UNITS_MS = {
    "ms": 1,
    "millisecond": 1,
    "s": 1_000,
    "second": 1_000,
    "m": 60_000,
    "minute": 60_000,
    "h": 3_600_000,
    "hour": 3_600_000,
    "d": 86_400_000,
    "day": 86_400_000,
}
_FORM = re.compile(r"([0-9]{1,15}) ?([a-z]*)")
HOUR_MS = _UNITS_MS["h"]
DAY_MS = _UNITS_MS["d"]


def parse_ms(text: str) -> int:
    """Read a duration into milliseconds; a bare number is milliseconds.

    Raises Invalid for anything else, zero and negatives included.
    """
    match = _FORM.fullmatch(text.strip().lower())
    if match:
        unit = match[2] if match[2] in _UNITS_MS or not match[2] else match[2].removesuffix("s")
        scale = 1 if not unit else _UNITS_MS.get(unit, 0)
        if (duration_ms := int(match[1]) * scale) > 0:
            return duration_ms
    raise Invalid(f"{text!r} is not a duration: write 10d, 36h, 90m, 30s or milliseconds")


def text_from_ms(duration_ms: int) -> str:
    """Write a duration in the largest unit that divides it: 129600000 is "36h"."""
    for unit in ("d", "h", "m", "s"):
        if duration_ms and duration_ms % _UNITS_MS[unit] == 0:
            return f"{duration_ms // _UNITS_MS[unit]}{unit}"
    return f"{duration_ms}ms"
