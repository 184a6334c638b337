"""Soon at first, later each time, then not at all until someone changes something (A11)."""

from data_plane.agent.config import Limits
from data_plane.agent.restarts import RestartPolicy

T = 1_800_000_000_000


def policy() -> RestartPolicy:
    limits = Limits()
    return RestartPolicy(limits.deaths_max, limits.deaths_window_ms, limits.start_delays_ms)


def test_the_first_start_and_restart_are_immediate() -> None:
    fresh = policy()
    assert fresh.may_start(T)
    fresh.started()
    fresh.died(T)
    assert fresh.may_start(T)


def test_delays_grow_to_five_seconds_at_most() -> None:
    dying = policy()
    delays = []
    for _ in range(4):
        dying.started()
        dying.died(T)
        delays.append(dying.due_ms() - T)
    assert delays == [0, 250, 1000, 2500]
    assert max(Limits().start_delays_ms) <= 5000
    assert not dying.may_start(T + 2499)
    assert dying.may_start(T + 2500)


def test_the_fifth_death_in_ten_minutes_is_a_crash_loop() -> None:
    dying = policy()
    for death in range(5):
        assert not dying.is_crash_loop
        dying.died(T + death * 149_999)
    assert dying.is_crash_loop
    assert not dying.may_start(T + 10**12)  # time alone does not heal it
    dying.forgive()
    assert dying.may_start(T)
    assert not dying.is_crash_loop


def test_rare_deaths_are_no_crash_loop() -> None:
    rare = policy()
    for death in range(50):
        rare.died(T + death * 150_000)
    assert not rare.is_crash_loop


def test_only_starts_after_a_death_count_as_restarts() -> None:
    counted = policy()
    counted.started()
    assert counted.restarts == 0
    counted.died(T)
    counted.started()
    counted.started()  # asked for
    assert counted.restarts == 1
