"""By which date ages are counted when the clocks disagree: always by the earliest there is."""

import logging

import pytest

from data_plane.broker.dates import DAY_MS, HELD_MS, Dates

NOW_MS = 1_700_000_000_000
YEAR_MS = 365 * DAY_MS


def test_without_a_doubt_it_is_the_brokers_clock() -> None:
    for last_used_ms in (None, NOW_MS, NOW_MS - DAY_MS, NOW_MS + YEAR_MS):
        dates = Dates(NOW_MS, last_used_ms)
        assert dates.deletion_ms(NOW_MS) == NOW_MS
        dates.look(NOW_MS + 500, NOW_MS + 500)
        assert dates.deletion_ms(NOW_MS + 1_000) == NOW_MS + 1_000


def test_a_wall_clock_ahead_changes_nothing_and_one_behind_is_believed() -> None:
    dates = Dates(NOW_MS, None)
    dates.look(NOW_MS, NOW_MS + YEAR_MS)
    assert dates.deletion_ms(NOW_MS + 60_000) == NOW_MS + 60_000
    dates.look(NOW_MS, NOW_MS - YEAR_MS)
    assert dates.deletion_ms(NOW_MS + 60_000) == NOW_MS + 60_000 - YEAR_MS
    dates.look(NOW_MS, NOW_MS)
    assert dates.deletion_ms(NOW_MS + 60_000) == NOW_MS + 60_000


def test_a_start_long_after_the_last_use_is_doubted_for_a_day() -> None:
    dates = Dates(NOW_MS + YEAR_MS, NOW_MS)
    for later_ms in (0, 60_000, HELD_MS - 1):
        assert dates.deletion_ms(NOW_MS + YEAR_MS + later_ms) == NOW_MS + later_ms
    assert dates.deletion_ms(NOW_MS + YEAR_MS + HELD_MS) == NOW_MS + YEAR_MS + HELD_MS


def test_an_operator_is_told_once_when_it_begins_and_once_when_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="data_plane.broker.dates"):
        dates = Dates(NOW_MS + 3 * DAY_MS, NOW_MS)
        for _ in range(5):
            dates.look(NOW_MS, NOW_MS + YEAR_MS)
        for _ in range(5):
            dates.look(NOW_MS, NOW_MS + 1_000)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert "last in use 3 days ago" in told[0]
    assert "the wall clock was set by 31536000 s" in told[1]
    assert told[2] == "the wall clock is right again"
