"""Lines with their gaps."""

from control_plane.dashboard import charts


def test_a_gap_breaks_the_line() -> None:
    assert len(charts.sparkline([1.0, 2.0, None, None, 3.0, 4.0])) == 2


def test_a_lone_sample_is_a_stroke() -> None:
    (line,) = charts.sparkline([None, 5.0, None])
    assert len(line.split()) == 2


def test_nothing_measured_draws_nothing() -> None:
    assert charts.sparkline([None] * 10) == []
    assert charts.sparkline([]) == []


def test_an_idle_line_lies_at_the_bottom_and_the_greatest_value_at_the_top() -> None:
    (idle,) = charts.sparkline([0.0, 0.0])
    assert idle == "0.0,23.0 100.0,23.0"
    (grown,) = charts.sparkline([0.0, 80.0])
    assert grown == "0.0,23.0 100.0,1.0"


def test_columns_keep_what_is_missing() -> None:
    assert charts.columns([10, 20], [1.23456, None]) == {"t": [10, 20], "series": [[1.235, None]]}
