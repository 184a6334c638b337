"""The clock never runs backwards and follows a wall clock that is ahead."""

from data_plane.server.clock import Clock


class Times:
    """A wall clock and a monotonic one, set by the test, in seconds."""

    def __init__(self) -> None:
        self.wall_s = 1_000.0
        self.monotonic_s = 5.0

    def clock(self) -> Clock:
        return Clock(lambda: self.wall_s, lambda: self.monotonic_s)

    def run(self, seconds: float, wall_seconds: float | None = None) -> None:
        self.monotonic_s += seconds
        self.wall_s += seconds if wall_seconds is None else wall_seconds


def test_it_starts_with_the_wall_and_runs_with_the_monotonic_clock() -> None:
    times = Times()
    clock = times.clock()
    assert clock.now_ms() == 1_000_000
    times.run(2.5, wall_seconds=0.0)
    assert clock.now_ms() == 1_002_500


def test_a_wall_clock_set_back_is_ignored() -> None:
    times = Times()
    clock = times.clock()
    times.run(1, wall_seconds=-500)
    clock.follow_wall()
    assert clock.now_ms() == 1_001_000


def test_a_wall_clock_that_is_ahead_is_followed() -> None:
    """A laptop that slept for an hour."""
    times = Times()
    clock = times.clock()
    times.run(1, wall_seconds=3_600)
    clock.follow_wall()
    assert clock.now_ms() == 4_600_000


def test_a_small_difference_is_left_alone() -> None:
    times = Times()
    clock = times.clock()
    times.run(1, wall_seconds=1.5)
    clock.follow_wall()
    assert clock.now_ms() == 1_001_000
