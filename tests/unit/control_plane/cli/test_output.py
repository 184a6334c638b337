"""Numbers and money as people read them."""

import pytest

from control_plane.cli.output import binary_size, duration, money, price, utilisation


def test_money_is_exact() -> None:
    assert money(6_944) == "0.006944 USD"
    assert money(5_000_000) == "5.000000 USD"
    assert money(-1) == "-0.000001 USD"


def test_price_is_the_monthly_price_over_720_hours() -> None:
    assert price({"cents": 500}) == "~$0.007/hour (max $5/month)"
    assert price({"cents": 0}) == "free"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(86_400_000, "1 day"), (129_600_000, "36 hours"), (1_500, "1500 ms"), (None, "disabled")],
)
def test_duration(milliseconds: int | None, text: str) -> None:
    assert duration(milliseconds) == text


def test_bars_and_sizes() -> None:
    assert utilisation(3, 10) == "[###.......] 3 / 10"
    assert utilisation(3, None) == "3"
    assert binary_size(1536) == "1.5 KiB"
    assert binary_size(12) == "12 B"
