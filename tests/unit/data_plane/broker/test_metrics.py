"""The metrics text: names of the catalogue, labels escaped, internal topics left out."""

import pytest

from data_plane.broker.gauges import metrics_text
from data_plane.broker.metrics import exposition
from data_plane.metric_names import METRICS
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from tests.unit.data_plane.broker.world import World, batch_of


def test_every_metric_of_the_catalogue_is_there() -> None:
    world = World()
    world.create_topic("t", 3)
    world.produce("t", batch_of(b"a", b"b"))
    world.ask(FindCoordinatorRequest(key="g"), 3)
    world.settle()
    text = metrics_text(world.broker, connections=4, resident_bytes=1_000)
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert {name.partition("{")[0] for name in values} == {f"ottla_{name}" for name in METRICS}
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
