"""Numbers as people read them: one unit each, binary bytes by their right names, exact money."""

import datetime as dt
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Figure(NamedTuple):
    """A number and its unit apart, so that a page can set them apart."""

    number: str
    unit: str

    def __str__(self) -> str:
        return f"{self.number} {self.unit}"


def _rounded(value: float) -> str:
    """Three significant digits: 0, 7.4, 12.3, 980."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def bytes_figure(size_bytes: float) -> Figure:
    unit = 0
    while size_bytes >= 1024 and unit < len(_BYTE_UNITS) - 1:
        size_bytes /= 1024
        unit += 1
    return Figure(_rounded(size_bytes), _BYTE_UNITS[unit])


def byte_rate(bytes_per_s: float | None) -> Figure | None:
    """None stays None: a sample that is missing is not a zero."""
    if bytes_per_s is None:
        return None
    number, unit = bytes_figure(bytes_per_s)
    return Figure(number, f"{unit}/s")


def count_rate(per_s: float | None, unit: str) -> Figure | None:
    if per_s is None:
        return None
    number = f"{per_s:,.0f}" if per_s >= 100 else _rounded(per_s)
    return Figure(number, f"{unit}/s")


def money(amount_micros: int, currency: str) -> str:
    """As many decimals as small amounts need: $5.00, $0.25, $0.0069, $0.000193."""
    size = abs(amount_micros)
    places = Decimal("0.01") if size >= 100_000 or not size else Decimal("0.0001")
    if 0 < size < 1_000:
        places = Decimal("0.000001")
    amount = (Decimal(amount_micros) / 10**6).quantize(places, ROUND_HALF_EVEN)
    return f"${amount:,}" if currency == "USD" else f"{amount:,} {currency}"


def utc(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """A duration in its two largest units at most: 0.4 s, 12 s, 3 min, 2 h 5 min, 4 d."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return f"{hours // 24} d"


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    seconds = (now - moment).total_seconds()
    return "just now" if seconds < 5 else f"{span(seconds)} ago"
