"""Readings of a broker: sizes by topic, which the dashboard shows as storage, and alarms."""

from dataclasses import replace

from data_plane.broker.gauges import gauges
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.image import ImageDelta
from tests.factories.record_batches import NOW_MS, client_batch
from tests.unit.data_plane.broker.test_metadata_host import create, opened


def test_sizes_are_told_by_topic_and_in_sum() -> None:
    broker = opened(MemoryFiles(), [])
    create(broker, "orders")
    create(broker, "quiet")
    batch = client_batch([b"value"] * 3)
    log = broker.partition("orders", 0).log
    log.stage(batch, leader_epoch=0, now_ms=NOW_MS)
    log.write()
    sizes = {labels.get("topic"): value for labels, value in gauges(broker)["log_size_bytes"]}
    assert sizes == {None: len(batch), "orders": len(batch), "quiet": 0}


def test_partitions_that_may_have_lost_committed_records_are_counted() -> None:
    broker = opened(MemoryFiles(), [])
    create(broker, "orders")
    assert gauges(broker)["recovering_partitions"] == [({}, 0)]
    delta = ImageDelta(broker.image)
    row = broker.image.topics["orders"].partitions[0]
    delta.replay_all([replace(row, is_recovering=True)])
    broker.metadata.controller.committed = delta.publish(offset=99, term=1)  # type: ignore[attr-defined]  # a broker alone has the host itself
    assert gauges(broker)["recovering_partitions"] == [({}, 1)]
