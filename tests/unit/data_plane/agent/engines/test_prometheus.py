"""Readings from exposition text: what the catalogue names, and nothing that cannot be read."""

from data_plane.agent.engines.base import Reading
from data_plane.agent.engines.prometheus import readings_from_text

TEXT = """# HELP ottla_topics Topics
# TYPE ottla_topics gauge
ottla_topics 3
ottla_bytes_in_total{topic="flights"} 1.5e+03
ottla_bytes_in_total 2000 1800000000000
ottla_unknown_metric 1
ottla_requests_total{api="fetch"} 9
ottla_connections many
nonsense
ottla_log_size_bytes{topic="a",partition="0"} 5
"""


def test_known_names_are_read() -> None:
    assert readings_from_text(TEXT) == [
        Reading("topics", 3.0),
        Reading("bytes_in_total", 1500.0, "flights"),
        Reading("bytes_in_total", 2000.0),
    ]


def test_no_text_is_no_readings() -> None:
    assert readings_from_text("") == []
