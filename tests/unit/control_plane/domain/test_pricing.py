"""Plan time to money, against a slow oracle and by properties (C13)."""

import datetime as dt
import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.domain.pricing import Interval, amount_micros, hourly_micros, lines

MICRO = dt.timedelta(microseconds=1)
MOMENTS = st.integers(0, 3 * 365 * 86_400 * 10**6).map(
    lambda micros: dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + micros * MICRO
)
PRICES = st.integers(1, 10**10)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text + "+00:00")


def interval(start: str, end: str, price: int = 5_000_000, plan: str = "mini-0") -> Interval:
    return Interval(at(start), at(end), plan, price)


def test_an_hour_is_a_720th() -> None:
    (line,) = lines([interval("2026-02-01T00:00:00", "2026-02-01T01:00:00", 7_200_000)])
    assert line.amount_micros == 10_000
    assert hourly_micros(5_000_000) == Fraction(5_000_000, 720)


@pytest.mark.parametrize(
    ("start", "end", "amount"),
    [
        ("2026-01-01", "2026-02-01", 5_000_000),  # 744 hours: capped
        ("2026-04-01", "2026-05-01", 5_000_000),  # 720 hours: exactly
        ("2026-02-01", "2026-03-01", 4_666_667),  # 672 hours: under the cap
        ("2024-02-01", "2024-03-01", 4_833_333),  # 696 hours, a leap year
    ],
)
def test_whole_months(start: str, end: str, amount: int) -> None:
    (line,) = lines([interval(f"{start}T00:00:00", f"{end}T00:00:00")])
    assert line.amount_micros == amount


def test_months_are_lines_of_their_own() -> None:
    found = lines([interval("2026-01-31T23:00:00", "2026-02-01T02:00:00", 7_200_000)])
    assert [(line.month_start.month, line.amount_micros) for line in found] == [
        (1, 10_000),
        (2, 20_000),
    ]


def test_a_month_is_utc() -> None:
    """23:30 on 31 January in New York is February."""
    start = dt.datetime.fromisoformat("2026-01-31T23:30:00-05:00")
    (line,) = lines([Interval(start, start + dt.timedelta(minutes=1), "mini-0", 5_000_000)])
    assert line.month_start == at("2026-02-01T00:00:00")


def test_rounding_happens_once_per_line() -> None:
    """Three pieces of a third of a micro each are one micro, not three times nothing."""
    price = 720 * 3600 // 3  # a third of a micro per second
    pieces = [
        interval(f"2026-02-01T00:00:0{second}", f"2026-02-01T00:00:0{second + 1}", price)
        for second in range(3)
    ]
    (line,) = lines(pieces)
    assert line.amount_micros == 1


def test_nothing_costs_nothing() -> None:
    assert lines([interval("2026-02-01T00:00:00", "2026-02-01T00:00:00")]) == []


@given(start=MOMENTS, cuts=st.lists(MOMENTS, max_size=6), end=MOMENTS, price=PRICES)
@settings(max_examples=300, deadline=None)
def test_cutting_and_order_change_nothing(
    start: dt.datetime, cuts: list[dt.datetime], end: dt.datetime, price: int
) -> None:
    """However an interval is cut into pieces, and in whatever order, the lines are the same."""
    if end < start:
        start, end = end, start
    edges = [start, *sorted(cut for cut in cuts if start < cut < end), end]
    pieces = [Interval(a, b, "mini-0", price) for a, b in itertools.pairwise(edges)]
    assert lines(pieces[::-1]) == lines([Interval(start, end, "mini-0", price)])


@given(start=MOMENTS, minutes=st.integers(1, 200_000), price=PRICES)
@settings(max_examples=100, deadline=None)
def test_against_a_slow_oracle(start: dt.datetime, minutes: int, price: int) -> None:
    """Count the microseconds of each month by walking from month to month in another way."""
    end = start + dt.timedelta(minutes=minutes)
    expected = []
    for year in range(2024, 2029):
        for month in range(1, 13):
            first = dt.datetime(year, month, 1, tzinfo=dt.UTC)
            after = dt.datetime(year + month // 12, month % 12 + 1, 1, tzinfo=dt.UTC)
            micros = max(0, (min(end, after) - max(start, first)) // MICRO)
            if micros:
                exact = Fraction(price * micros, 720 * 3600 * 10**6)
                expected.append((first, round(min(exact, Fraction(price)))))
    found = lines([Interval(start, end, "mini-0", price)])
    assert [(line.month_start, line.amount_micros) for line in found] == expected
    assert sum(line.seconds for line in found) == minutes * 60


@given(seconds=st.integers(0, 10**8), price=PRICES)
def test_never_over_the_monthly_price(seconds: int, price: int) -> None:
    assert 0 <= amount_micros(Fraction(seconds), price) <= price
