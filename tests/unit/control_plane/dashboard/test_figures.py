"""Numbers as people read them."""

import datetime as dt

import pytest

from control_plane.dashboard import figures

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (5 * 10**9, "4.7 GiB"),
        (2**60, "1024 PiB"),
    ],
)
def test_bytes(size: int, text: str) -> None:
    assert str(figures.bytes_figure(size)) == text


def test_a_missing_rate_stays_missing() -> None:
    assert figures.byte_rate(None) is None
    assert str(figures.byte_rate(0)) == "0 B/s"
    assert figures.count_rate(None, "rec") is None
    assert str(figures.count_rate(12_345.6, "rec")) == "12,346 rec/s"


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "$0.00"),
        (193, "$0.000193"),
        (6_944, "$0.0069"),
        (250_000, "$0.25"),
        (5_000_000, "$5.00"),
        (1_234_567_890, "$1,234.57"),
    ],
)
def test_money(micros: int, text: str) -> None:
    assert figures.money(micros, "USD") == text


def test_money_of_another_currency_names_it() -> None:
    assert figures.money(5_000_000, "EUR") == "5.00 EUR"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "just now"),
        (2, "just now"),
        (42, "42 s ago"),
        (200, "3 min ago"),
        (7500, "2 h 5 min ago"),
        (4 * 86_400, "4 d ago"),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    assert figures.ago(NOW - dt.timedelta(seconds=seconds), NOW) == text
