"""Plan time to money: exact fractions, rounded once per line.

A price is per month; an hour costs 1/720 of it and every second counts; a calendar month (UTC)
of one plan never costs more than the monthly price. Amounts are integer micro-units.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

HOURS_PER_MONTH = 720


@dataclass(frozen=True, slots=True)
class Interval:
    """Half-open time [start, end) on a plan, at the price agreed when it began."""

    start: dt.datetime
    end: dt.datetime
    plan: str
    price_micros_per_month: int


@dataclass(frozen=True, slots=True)
class Line:
    """One plan in one calendar month: what an invoice shows."""

    month_start: dt.datetime
    plan: str
    price_micros_per_month: int
    seconds: Fraction
    amount_micros: int


def next_month(moment: dt.datetime) -> dt.datetime:
    """Return the first instant of the calendar month (UTC) after the one `moment` is in."""
    first = month_start(moment)
    return (first + dt.timedelta(days=32)).replace(day=1)


def month_start(moment: dt.datetime) -> dt.datetime:
    """Return the first instant of the calendar month (UTC) that `moment` is in."""
    return moment.astimezone(dt.UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def split_by_month(start: dt.datetime, end: dt.datetime) -> Iterator[tuple[dt.datetime, Fraction]]:
    """Yield (month start, seconds of [start, end) in that month); nothing if end <= start."""
    while start < end:
        stop = min(end, next_month(start))
        yield month_start(start), Fraction(_microseconds(stop - start), 10**6)
        start = stop


def amount_micros(seconds: Fraction, price_micros_per_month: int) -> int:
    """Price plan seconds of one month, capped at the monthly price; halves round to even."""
    exact = price_micros_per_month * seconds / (HOURS_PER_MONTH * 3600)
    return round(min(exact, Fraction(price_micros_per_month)))


def lines(intervals: Iterable[Interval]) -> list[Line]:
    """Sum intervals per month, plan and price, in that order, and price each sum once."""
    seconds: dict[tuple[dt.datetime, str, int], Fraction] = {}
    for interval in intervals:
        for month, part in split_by_month(interval.start, interval.end):
            key = month, interval.plan, interval.price_micros_per_month
            seconds[key] = seconds.get(key, Fraction(0)) + part
    return [
        Line(month, plan, price, total, amount_micros(total, price))
        for (month, plan, price), total in sorted(seconds.items())
    ]


def hourly_micros(price_micros_per_month: int) -> Fraction:
    """Return the price of an hour, exact."""
    return Fraction(price_micros_per_month, HOURS_PER_MONTH)


def _microseconds(delta: dt.timedelta) -> int:
    return (delta.days * 86_400 + delta.seconds) * 10**6 + delta.microseconds
