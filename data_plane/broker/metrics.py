"""Counters the hot path adds to, and their text in Prometheus' exposition format 0.0.4."""

from collections.abc import Iterator, Mapping

from data_plane.broker.loop_lag import LoopLag
from data_plane.metric_names import METRICS

PREFIX = "ottla_"
Labels = Mapping[str, str]


class TopicCounters:
    """What moved through one topic since the start; plain attributes, added to in place."""

    __slots__ = ("bytes_in", "bytes_out", "messages_in")

    def __init__(self) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.messages_in = 0


class BrokerMetrics:
    """Counters by topic, internal topics apart from the sums over the whole broker."""

    def __init__(self) -> None:
        self.topics: dict[str, TopicCounters] = {}
        self.requests = 0
        self.connections = 0

    def topic(self, name: str) -> TopicCounters:
        found = self.topics.get(name)
        if found is None:
            found = self.topics[name] = TopicCounters()
        return found

    def forget_topic(self, name: str) -> None:
        """A deleted topic's series end; the sums fall by it, as after a restart."""
        self.topics.pop(name, None)


def exposition(samples: Mapping[str, list[tuple[Labels, float]]]) -> str:
    """Text of metric name -> [(labels, value)], names and help from metric_names.py.

    Raises KeyError for a name that is not in the catalogue.
    """
    return "".join(line for name in samples for line in _family(name, samples[name]))


def lag_histogram(name: str, lags: Mapping[str, LoopLag]) -> str:
    """Text of one histogram with a series for each loop; as `exposition`."""
    return _head(name) + "".join(
        line for loop, lag in lags.items() for line in _lag_series(name, {"loop": loop}, lag)
    )


def _lag_series(name: str, labels: Labels, lag: LoopLag) -> Iterator[str]:
    count = 0
    for edge_ms, count in lag.buckets():
        shown = "+Inf" if edge_ms == float("inf") else f"{edge_ms:g}"
        yield _line(f"{name}_bucket", {**labels, "le": shown}, count)
    yield _line(f"{name}_sum", labels, round(lag.sum_ms, 3))
    yield _line(f"{name}_count", labels, count)


def _family(name: str, rows: list[tuple[Labels, float]]) -> Iterator[str]:
    yield _head(name)
    for labels, value in rows:
        yield _line(name, labels, value)


def _head(name: str) -> str:
    metric = METRICS[name]
    return f"# HELP {PREFIX}{name} {metric.about}\n# TYPE {PREFIX}{name} {metric.kind}\n"


def _line(name: str, labels: Labels, value: float) -> str:
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    shown = int(value) if value == int(value) else value
    return f"{PREFIX}{name}{{{inner}}} {shown}\n" if inner else f"{PREFIX}{name} {shown}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
