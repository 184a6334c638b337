"""The lag of a loop in few bytes: quantiles by moments, not by callbacks."""

import random

import pytest

from data_plane.broker.loop_lag import PERIOD_MS, WINDOW_MS, LoopLag


def test_nothing_is_known_at_first() -> None:
    assert LoopLag().quantile_ms(0.999) == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_a_quantile_is_never_too_low_and_at_most_a_bucket_too_high(seed: int) -> None:
    """Against the sorted samples themselves, all of them shorter than a period."""
    rng = random.Random(seed)
    samples = sorted(min(rng.lognormvariate(0, 1.5), PERIOD_MS) for _ in range(5_000))
    lag = LoopLag()
    for sample in samples:
        lag.add(sample, 0)
    for share in (0.5, 0.99, 0.999, 1.0):
        true_ms = samples[int(len(samples) * share) - 1]
        assert true_ms <= lag.quantile_ms(share) * (1 + 1e-9)
        assert lag.quantile_ms(share) <= max(true_ms, 0.125) * 2**0.25 * (1 + 1e-9)
    assert lag.count == 5_000


def test_one_stall_counts_for_every_moment_in_it() -> None:
    """999 probes in time and one that is 10 s late: a fifth of all moments were in the stall."""
    lag = LoopLag()
    for _ in range(799):
        lag.add(0.0, 0)
    lag.add(10_000.0, 0)
    assert lag.count == 999
    assert lag.quantile_ms(0.75) < 1
    assert lag.quantile_ms(0.9) == pytest.approx(5_000, rel=0.2)
    assert lag.quantile_ms(1.0) == pytest.approx(10_000, rel=0.2)


def test_the_quantile_forgets_after_two_windows_and_the_histogram_never() -> None:
    lag = LoopLag()
    lag.add(40.0, 0)
    lag.add(0.0, WINDOW_MS)
    assert lag.quantile_ms(1.0) >= 40
    lag.add(0.0, 2 * WINDOW_MS)
    assert lag.quantile_ms(1.0) < 1
    assert [count for _, count in lag.buckets()][-1] == lag.count == 3


def test_a_lag_beyond_the_last_bucket_is_counted_in_it() -> None:
    lag = LoopLag()
    lag.add(100_000.0, 0)
    edges = list(lag.buckets())
    assert edges[-1] == (float("inf"), 100_000 // PERIOD_MS)
    assert edges[-2][1] < edges[-1][1]
