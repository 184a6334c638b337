"""Attempts: a burst, then a trickle, for each key by itself, in bounded memory."""

import pytest

from control_plane.http.errors import ApiError
from control_plane.http.limits import Attempts, Places


class Stopwatch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_a_trickle() -> None:
    watch = Stopwatch()
    attempts = Attempts(burst=3, refill_s=10, now=watch)
    assert [attempts.take("a") for _ in range(3)] == [0, 0, 0]
    assert attempts.take("a") == pytest.approx(10)
    assert attempts.take("b") == 0
    watch.now = 10
    assert attempts.take("a") == 0
    assert attempts.take("a") > 0


def test_waiting_earns_no_more_than_the_burst() -> None:
    watch = Stopwatch()
    attempts = Attempts(burst=2, refill_s=1, now=watch)
    attempts.take("a")
    watch.now = 1_000_000
    assert [attempts.take("a") == 0 for _ in range(3)] == [True, True, False]


def test_memory_is_bounded() -> None:
    attempts = Attempts(burst=1, refill_s=10, keys_max=100, now=Stopwatch())
    for number in range(10_000):
        attempts.take(str(number))
    assert len(attempts._buckets) == 100


def test_every_key_of_a_check_is_charged() -> None:
    attempts = Attempts(burst=1, refill_s=10, now=Stopwatch())
    attempts.check("a")
    with pytest.raises(ApiError) as refused:
        attempts.check("a", "b")
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "11"
    assert attempts.take("b") > 0


def test_places_are_given_back() -> None:
    places = Places(1)
    with places, pytest.raises(ApiError):
        places.check()
    places.check()
