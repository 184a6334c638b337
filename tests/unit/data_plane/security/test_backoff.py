"""Delays of refusals: doubling for each host, bounded, forgotten in time."""

from data_plane.security.backoff import (
    DELAY_MS_MAX,
    FORGOTTEN_AFTER_MS,
    HOSTS_MAX,
    FailureDelays,
)

NOW_MS = 1_000_000


def test_delays_double_up_to_a_limit() -> None:
    delays = FailureDelays(100)
    seen = [delays.after_failure("a", NOW_MS) for _ in range(8)]
    assert seen == [100, 200, 400, 800, 1_600, DELAY_MS_MAX, DELAY_MS_MAX, DELAY_MS_MAX]


def test_hosts_are_apart_and_forgotten_after_a_minute() -> None:
    delays = FailureDelays(100)
    for _ in range(4):
        delays.after_failure("a", NOW_MS)
    assert delays.after_failure("b", NOW_MS) == 100
    assert delays.after_failure("a", NOW_MS + FORGOTTEN_AFTER_MS - 1) == 1_600
    assert delays.after_failure("a", NOW_MS + 2 * FORGOTTEN_AFTER_MS) == 100


def test_many_hosts_do_not_grow_the_table() -> None:
    delays = FailureDelays(100)
    for number in range(HOSTS_MAX + 10):
        delays.after_failure(f"host {number}", NOW_MS)
    assert len(delays._hosts) == HOSTS_MAX


def test_a_longer_first_delay_is_kept() -> None:
    delays = FailureDelays(5_000)
    assert [delays.after_failure("a", NOW_MS) for _ in range(2)] == [5_000, 5_000]
