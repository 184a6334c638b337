"""Rates: each world has its own, within limits, each by a random stream of its own."""

from random import Random

import pytest

from tests.simulation import rates
from tests.simulation.clock import NodeClock, Schedule
from tests.simulation.rates import LIMITS, Rates, drawn
from tests.simulation.shares import CLUSTER_WORLDS

SEEDS = range(CLUSTER_WORLDS)


@pytest.mark.parametrize("name", LIMITS)
def test_worlds_differ_in_each_rate_and_keep_to_its_limits(name: str) -> None:
    low, high = LIMITS[name]
    ranges = [drawn(seed, is_aimed=False).ranges[name] for seed in SEEDS]
    assert all(low <= one <= other <= high for one, other in ranges)
    middle = (low * high) ** 0.5
    assert any(other < middle for _, other in ranges)
    assert any(one > middle for one, _ in ranges)


def test_a_rate_more_shifts_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    before = drawn(7, is_aimed=False)
    monkeypatch.setattr(rates, "LIMITS", {"new": (1, 2), **LIMITS})
    after = drawn(7, is_aimed=False)
    assert {name: after.ranges[name] for name in LIMITS} == before.ranges
    assert (after.wait_ms, after.weather) == (before.wait_ms, before.weather)


def test_an_aimed_world_has_usual_rates_and_no_trouble_more_than_another() -> None:
    assert drawn(7, is_aimed=True) == Rates()
    assert {Rates().weight(name) for name in ("a", "b", "c", "d", "e", "f")} == {1}


def test_some_troubles_of_a_world_are_more_frequent_than_others() -> None:
    found = drawn(7, is_aimed=False)
    assert len({found.weight(str(number)) for number in range(20)}) > 1


def test_every_run_of_the_tests_has_bad_weather_all_the_time_and_clocks_of_both_kinds() -> None:
    assert any(drawn(seed, is_aimed=False).weather.loss_rate > 0.05 for seed in SEEDS)
    wrong = [rates.wrong_clock(seed, 3) for seed in SEEDS]
    assert {one[1] for one in wrong if one is not None} == set(rates.HALVES)
    assert wrong.count(None) > CLUSTER_WORLDS / 2


@pytest.mark.parametrize("times", rates.HALVES)
def test_a_wrong_clock_only_moves_on(times: float) -> None:
    schedule = Schedule()
    clock = NodeClock(schedule, Random(1))
    schedule.run(1_000)
    before = clock.monotonic_ms()
    clock.goes_wrong(times)
    assert clock.monotonic_ms() == before
    schedule.run(11_000)
    after = clock.monotonic_ms()
    assert abs((after - before) / 10_000 - times) < 0.01
    assert abs(clock.world_ms(after - before) - 10_000) < 100
    clock.is_put_right()
    assert clock.monotonic_ms() == after
    assert clock.world_ms(500) == 500
