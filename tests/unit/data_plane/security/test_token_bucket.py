"""Bursts cost the time they are worth, and nobody is in debt for longer than is remembered."""

from data_plane.security.token_bucket import TokenBucket

NOW_MS = 1_700_000_000_000
PER_S = 2.0


def bucket() -> TokenBucket:
    return TokenBucket(PER_S, NOW_MS, burst_s=5.0, owed_s_max=60.0)


def test_a_full_bucket_is_free_and_may_be_overdrawn() -> None:
    one = bucket()
    one.take(10, PER_S, NOW_MS)
    assert one.owed_ms(PER_S, NOW_MS) == 0
    one.take(10, PER_S, NOW_MS)
    assert one.owed_ms(PER_S, NOW_MS) == 5_000
    assert one.owed_ms(PER_S, NOW_MS + 5_000) == 0


def test_it_holds_no_more_than_its_burst() -> None:
    one = bucket()
    one.take(11, PER_S, NOW_MS + 3_600_000)
    assert one.owed_ms(PER_S, NOW_MS + 3_600_000) == 500


def test_debts_are_remembered_up_to_a_point() -> None:
    one = bucket()
    one.take(1e12, PER_S, NOW_MS)
    assert one.owed_ms(PER_S, NOW_MS) == 60_000


def test_the_least_debt_is_a_wait() -> None:
    one = TokenBucket(1e9, NOW_MS, burst_s=0)
    one.take(1, 1e9, NOW_MS)
    assert one.owed_ms(1e9, NOW_MS) == 1


def test_time_that_goes_backwards_gives_nothing() -> None:
    one = bucket()
    one.take(12, PER_S, NOW_MS)
    assert one.owed_ms(PER_S, NOW_MS - 60_000) == 1_000
    assert one.owed_ms(PER_S, NOW_MS) == 1_000
    assert one.owed_ms(PER_S, NOW_MS + 1_000) == 0
