"""Readings from Prometheus text exposition format 0.0.4, as far as brokers use it."""

import re

from data_plane.agent.engines.base import Reading
from data_plane.metric_names import METRICS

PREFIX = "ottla_"
LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})? +(\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


def readings_from_text(text: str) -> list[Reading]:
    """The lines whose name is in the catalogue, labelled by nothing or by topic; others are left.

    A line that cannot be read is left out: one bad gauge must not cost the others.
    """
    readings = []
    for line in text.splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        name, labels = match[1].removeprefix(PREFIX), dict(LABEL.findall(match[2] or ""))
        if name not in METRICS or labels.keys() - {"topic"}:
            continue
        try:
            readings.append(Reading(name, float(match[3]), labels.get("topic")))
        except ValueError:
            continue
    return readings
