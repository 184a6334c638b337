"""The clock never runs backwards, never jumps, and is drawn slowly to the wall clock."""

import random

from data_plane.server.clock import SLEW, Clock


class Times:
    """A wall clock and the machine's own, set by the test, in seconds."""

    def __init__(self) -> None:
        self.wall_s = 1_000_000.0
        self.elapsed_s = 5.0

    def clock(self) -> Clock:
        return Clock(lambda: self.wall_s, lambda: self.elapsed_s)

    def run(self, seconds: float, wall_seconds: float | None = None) -> None:
        self.elapsed_s += seconds
        self.wall_s += seconds if wall_seconds is None else wall_seconds


def followed(times: Times, clock: Clock, seconds: int) -> None:
    """As the ticker does, while both clocks run."""
    for _ in range(seconds):
        times.run(1)
        clock.follow_wall()


def test_it_starts_with_the_wall_and_runs_with_the_machines_clock() -> None:
    times = Times()
    clock = times.clock()
    assert clock.now_ms() == 1_000_000_000
    times.run(2.5, wall_seconds=0.0)
    assert clock.now_ms() == 1_000_002_500
    assert clock.wall_ms() == 1_000_000_000


def test_a_wall_clock_that_jumps_moves_it_by_a_hundredth_at_most() -> None:
    for jump_s in (3_600.0, -3_600.0, 365 * 86_400.0, -365 * 86_400.0):
        times = Times()
        clock = times.clock()
        times.run(0, wall_seconds=jump_s)
        clock.follow_wall()
        assert clock.now_ms() == 1_000_000_000
        followed(times, clock, 600)
        slewed_ms = clock.now_ms() - 1_000_600_000
        assert abs(slewed_ms * (1 if jump_s > 0 else -1) - 600_000 * SLEW) <= 1


def test_it_comes_together_with_a_wall_clock_that_was_set_and_then_runs_with_it() -> None:
    for jump_s in (20.0, -20.0):
        times = Times()
        clock = times.clock()
        times.run(0, wall_seconds=jump_s)
        followed(times, clock, 2_100)
        assert abs(clock.now_ms() - clock.wall_ms()) <= 150
        before = clock.now_ms()
        followed(times, clock, 100)
        assert abs(clock.now_ms() - before - 100_000) <= 20


def test_time_in_which_the_machine_slept_counts() -> None:
    times = Times()
    clock = times.clock()
    times.run(3_600)
    assert clock.now_ms() == 1_003_600_000


def test_it_never_runs_backwards_however_the_wall_clock_does() -> None:
    rng = random.Random(1)
    times = Times()
    clock = times.clock()
    last_ms = clock.now_ms()
    for _ in range(5_000):
        times.run(rng.choice([0.0, 0.001, 0.3, 1.0]), wall_seconds=rng.uniform(-9_999, 9_999))
        if rng.random() < 0.5:
            clock.follow_wall()
        now_ms = clock.now_ms()
        assert now_ms >= last_ms
        last_ms = now_ms
    assert times.elapsed_s * (1 - SLEW) - 10 <= (last_ms - 1_000_000_000) / 1000
    assert (last_ms - 1_000_000_000) / 1000 <= times.elapsed_s * (1 + SLEW) + 10
