"""A clock that is told."""

import datetime as dt

import pytest

from control_plane.domain.clock import ManualClock, SystemClock


def test_a_month_passes_when_told() -> None:
    clock = ManualClock(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert clock.now() == clock.now()
    assert clock.advance(days=31) == dt.datetime(2026, 2, 1, tzinfo=dt.UTC) == clock.now()


def test_times_are_aware() -> None:
    assert SystemClock().now().tzinfo is dt.UTC
    with pytest.raises(ValueError, match="aware"):
        ManualClock(dt.datetime.fromisoformat("2026-01-01"))
