"""How fast connections may come (KIP-612), on a clock that only the test moves."""

import pytest

from data_plane.security.connection_rates import BROKER, WAIT_MS_MAX, ConnectionRates
from data_plane.security.quotas import CONNECTION_CREATION_RATE, Quotas

NOW_MS = 1_700_000_000_000


def by_ip(**per_s: float) -> Quotas:
    """`any` stands for the default; `a` is 10.0.0.1."""
    names = {"a": "10.0.0.1", "six": "2001:DB8:0::1", "any": None}
    return {
        (("ip", names[name]),): {CONNECTION_CREATION_RATE: rate} for name, rate in per_s.items()
    }


def let_in(rates: ConnectionRates, host: str, count: int, now_ms: int = NOW_MS) -> int:
    return sum(not rates.refused_ms(host, now_ms) for _ in range(count))


def test_without_quotas_everybody_may_come() -> None:
    assert let_in(ConnectionRates({}), "10.0.0.1", 10_000) == 10_000


@pytest.mark.semantics("93d")
def test_an_address_has_five_seconds_worth_at_once() -> None:
    """And one more: the last may overdraw."""
    rates = ConnectionRates(by_ip(a=5))
    assert let_in(rates, "10.0.0.1", 1_000) == 26
    assert rates.refused_ms("10.0.0.1", NOW_MS) in range(1, WAIT_MS_MAX + 1)
    assert let_in(rates, "10.0.0.2", 1_000) == 1_000, "another address has no quota"


def test_refused_connections_do_not_count() -> None:
    """A client that storms is let in at its rate all the same."""
    rates = ConnectionRates(by_ip(a=5))
    came = sum(let_in(rates, "10.0.0.1", 100, NOW_MS + 100 * tenth) for tenth in range(600))
    assert 300 <= came <= 300 + 26


def test_the_default_holds_for_each_address_by_itself() -> None:
    rates = ConnectionRates(by_ip(a=5, any=1))
    assert let_in(rates, "10.0.0.9", 100) == 6
    assert let_in(rates, "10.0.0.8", 100) == 6
    assert let_in(rates, "10.0.0.1", 100) == 26, "it has its own"


def test_an_address_is_the_same_however_it_is_written() -> None:
    assert let_in(ConnectionRates(by_ip(six=1)), "2001:db8::1", 100) == 6


def test_a_quota_taken_back_holds_no_longer() -> None:
    rates = ConnectionRates(by_ip(a=1))
    let_in(rates, "10.0.0.1", 100)
    rates.apply({})
    assert let_in(rates, "10.0.0.1", 100) == 100


@pytest.mark.semantics("93d")
def test_a_listener_and_the_broker_stop_accepting() -> None:
    rates = ConnectionRates({})
    rates.limit_listener("CLIENT", 1)
    rates.limit_listener(BROKER, 2)
    for _ in range(6):
        rates.accepted("CLIENT", NOW_MS)
    assert 0 < rates.accept_wait_ms("CLIENT", NOW_MS) <= WAIT_MS_MAX
    assert rates.accept_wait_ms("OTHER", NOW_MS) == 0
    for _ in range(5):
        rates.accepted("OTHER", NOW_MS)
    assert rates.accept_wait_ms("OTHER", NOW_MS) > 0, "together they are over the broker's"
    assert rates.accept_wait_ms("CLIENT", NOW_MS + 12_000) == 0
