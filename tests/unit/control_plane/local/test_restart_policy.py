"""Back-off and giving up, with a clock that the test moves."""

from control_plane.local.restart_policy import BACK_OFF_SECONDS, RestartPolicy


def test_back_off_grows_and_the_fifth_death_in_a_minute_ends_it() -> None:
    policy = RestartPolicy()
    waits = [policy.died(now) for now in (0.0, 1.0, 2.0, 3.0, 4.0)]
    assert waits == [*BACK_OFF_SECONDS[:4], None]


def test_old_deaths_are_forgiven() -> None:
    policy = RestartPolicy()
    for now in (0.0, 1.0, 2.0, 3.0):
        policy.died(now)
    assert policy.died(62.5) == BACK_OFF_SECONDS[1]  # only the death at 3.0 still counts
