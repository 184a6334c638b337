"""A file system without a free byte: deleting a topic is what frees it, on every broker.

Where a machine has no right to mount one, this is skipped by that name; the same with files in
memory is tests/unit/data_plane/broker/test_full_disk.py.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewTopic

from tests.chaos.full_disk import append_all, small_disk
from tests.chaos.rig import NotRun
from tests.integration.data_plane.broker_process import wait_until
from tests.integration.data_plane.cluster_process import ClusterProcess, free_base_port
from tests.integration.data_plane.kafka_clients import read_all

SIZE_MB = 256
VALUE = b"." * 10_000
BIG_BYTES = 8_000_000
CHANGES = 100


@pytest.fixture
def place() -> Iterator[Path]:
    try:
        with small_disk(SIZE_MB) as made:
            yield made
    except NotRun as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("brokers", [1, 3])
def test_a_deleted_topic_frees_a_disk_without_a_free_byte(place: Path, brokers: int) -> None:
    cluster = ClusterProcess(place / "data", brokers=brokers, base_port=free_base_port())
    try:
        cluster.wait_for("ready")
        address = f"127.0.0.1:{cluster.base_port}"
        admin = AdminClient({"bootstrap.servers": address})
        for name in ("big", "small"):
            created = admin.create_topics([NewTopic(name, 1, brokers)])
            created[name].result(30)
        produce(address, "big", BIG_BYTES // len(VALUE))
        produce(address, "small", 10)
        fill_for_good(place)
        assert free_bytes(place) == 0
        assert len(read_all(address, "small", 10, seconds_max=60)) == 10
        for number in range(CHANGES):  # More than the rest of the page that was begun takes.
            change_retention(admin, "small", 86_400_000 + number)
        admin.delete_topics(["big"])["big"].result(60)
        wait_until(lambda: free_bytes(place) >= brokers * BIG_BYTES, "room")
        assert "big" not in admin.list_topics(timeout=30).topics
        (place / "filler").unlink()
        produce(address, "small", 10)
        assert len(read_all(address, "small", 20, seconds_max=60)) == 20
    finally:
        cluster.stop()


def change_retention(admin: AdminClient, topic: str, retention_ms: int) -> None:
    entry = ConfigEntry(
        "retention.ms", str(retention_ms), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(30)


def fill_for_good(place: Path) -> None:
    """Take what the brokers give up for their own use, too."""
    with (place / "filler").open("ab", buffering=0) as file:

        def is_full() -> bool:
            append_all(file)
            return free_bytes(place) == 0 and not any(place.glob("data/*/ballast"))

        wait_until(is_full, "every byte taken")


def free_bytes(place: Path) -> int:
    stat = os.statvfs(place)
    return stat.f_bavail * stat.f_frsize


def produce(address: str, topic: str, count: int) -> None:
    told: list[object] = []
    producer = Producer({"bootstrap.servers": address, "acks": "all", "linger.ms": 5})
    for _ in range(count):
        producer.produce(topic, VALUE, on_delivery=lambda error, _: told.append(error))
        producer.poll(0)
    assert producer.flush(60) == 0
    assert told == [None] * count
