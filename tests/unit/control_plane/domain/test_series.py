"""Counters to rates: nothing invented where nothing was measured."""

import datetime as dt
import random

import pytest

from control_plane.domain.series import GAP_MAX, Reading, rates, summed

START = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def reading(seconds: float, value: float) -> Reading:
    return Reading(START + dt.timedelta(seconds=seconds), value)


def test_growth_is_spread_over_the_time_between_readings() -> None:
    readings = [reading(0, 0), reading(20, 200)]
    assert rates(readings, start=START, bucket_s=10, bucket_count=3) == [10.0, 10.0, None]


def test_a_restart_counts_what_grew_since() -> None:
    readings = [reading(0, 1_000_000), reading(10, 50)]
    assert rates(readings, start=START, bucket_s=10, bucket_count=1) == [5.0]


def test_a_long_silence_is_a_gap() -> None:
    silence_s = GAP_MAX.total_seconds() + 1
    readings = [reading(0, 0), reading(10, 100), reading(10 + silence_s, 10**9)]
    found = rates(readings, start=START, bucket_s=10, bucket_count=10)
    assert found == [10.0, *[None] * 9]


@pytest.mark.parametrize("readings", [[], [reading(0, 5)], [reading(3, 1), reading(3, 9)]])
def test_too_few_readings_are_no_zero(readings: list[Reading]) -> None:
    assert rates(readings, start=START, bucket_s=10, bucket_count=2) == [None, None]


def test_an_idle_counter_is_a_zero() -> None:
    readings = [reading(0, 7), reading(10, 7)]
    assert rates(readings, start=START, bucket_s=10, bucket_count=1) == [0.0]


@pytest.mark.parametrize("seed", range(50))
def test_no_growth_is_lost_or_invented(seed: int) -> None:
    """Whatever the times of reading, rate times time adds up to the counter's growth."""
    rng = random.Random(seed)
    at, value, readings = 0.0, 0.0, [reading(0, 0)]
    while at < 570:
        at = min(at + rng.uniform(0.1, 60), 600)
        value += rng.uniform(0, 1e6)
        readings.append(reading(at, value))
    found = rates(readings, start=START, bucket_s=10, bucket_count=60)
    whole = int(at // 10)
    total = sum(each * 10 for each in found[:whole] if each is not None)
    if whole < 60 and found[whole] is not None:
        total += (found[whole] or 0.0) * (at - whole * 10)
    assert total == pytest.approx(value)


def test_sums_are_none_only_where_all_are() -> None:
    assert summed([[1.0, None, None], [2.0, 3.0, None]], 3) == [3.0, 3.0, None]
