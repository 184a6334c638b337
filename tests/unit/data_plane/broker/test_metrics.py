"""The metrics text: names of the catalogue, labels escaped, internal topics left out."""

import pytest

from data_plane.broker.gauges import metrics_text
from data_plane.broker.loop_lag import LoopLag
from data_plane.broker.metrics import exposition, lag_histogram
from data_plane.metric_names import METRICS
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from tests.factories.record_batches import NOW_MS
from tests.unit.data_plane.broker.world import World, batch_of


def test_every_metric_of_the_catalogue_is_there() -> None:
    world = World()
    world.create_topic("t", 3)
    world.produce("t", batch_of(b"a", b"b"))
    world.ask(FindCoordinatorRequest(key="g"), 3)
    world.settle()
    lags = {"broker": LoopLag(), "quorum": LoopLag()}
    text = metrics_text(world.broker, connections=4, resident_bytes=1_000, lags=lags)
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    families = {name.partition("{")[0] for name in values}
    parts = {f"ottla_loop_lag_ms_{part}" for part in ("bucket", "sum", "count")}
    assert families - parts | {"ottla_loop_lag_ms"} == {f"ottla_{name}" for name in METRICS}
    assert parts <= families
    assert values["ottla_topics"] == "1"
    assert values["ottla_partition_replicas"] == "3"
    assert values['ottla_messages_in_total{topic="t"}'] == values["ottla_messages_in_total"] == "2"
    assert values["ottla_connections"] == "4"
    assert int(values["ottla_log_size_bytes"]) > 0
    assert "__consumer_offsets" not in text


def test_labels_are_escaped() -> None:
    text = exposition({"topics": [({"topic": 'a"b\\c\nd'}, 1.5)]})
    assert text.splitlines()[-1] == 'ottla_topics{topic="a\\"b\\\\c\\nd"} 1.5'


def test_a_name_outside_the_catalogue_is_a_bug() -> None:
    with pytest.raises(KeyError):
        exposition({"made_up": [({}, 1)]})


def test_a_histogram_counts_upwards_and_ends_with_everything() -> None:
    lag = LoopLag()
    for lag_ms in (0.0, 0.9, 30.0):
        lag.add(lag_ms, NOW_MS)
    lines = lag_histogram("loop_lag_ms", {"broker": lag}).splitlines()
    assert lines[1] == "# TYPE ottla_loop_lag_ms histogram"
    assert 'ottla_loop_lag_ms_bucket{loop="broker",le="1"} 2' in lines
    assert 'ottla_loop_lag_ms_bucket{loop="broker",le="32"} 3' in lines
    assert lines[-3:] == [
        'ottla_loop_lag_ms_bucket{loop="broker",le="+Inf"} 3',
        'ottla_loop_lag_ms_sum{loop="broker"} 30.9',
        'ottla_loop_lag_ms_count{loop="broker"} 3',
    ]
