"""Stored bytes that change behind a broker's back are never read by a consumer, and are put right.

librdkafka is told not to check checksums, as is its default: what a broker serves it believes.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, PartitionMetadata

from tests.integration.data_plane.broker_process import wait_until
from tests.integration.data_plane.cluster_process import ClusterProcess, free_base_port
from tests.integration.data_plane.kafka_clients import produce, read_all

TRUSTED_SECONDS = 3.0  # What was written in the last two is read as it is.
VALUES = [b"value %03d" % number for number in range(300)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterProcess]:
    found = ClusterProcess(tmp_path / "c", brokers=3, base_port=free_base_port())
    found.wait_for("ready")
    found.wait_for_voters(0, 1, 2)
    yield found
    found.stop()


def filled(cluster: ClusterProcess, topic: str, replicas: list[int]) -> None:
    """One partition, led by the first of its replicas, with batches of ten records."""
    admin = AdminClient({"bootstrap.servers": cluster.addresses})
    made = admin.create_topics([NewTopic(topic, 1, replica_assignment=[replicas])])
    made[topic].result(30)
    for at in range(0, len(VALUES), 10):
        produce(cluster.addresses, topic, VALUES[at : at + 10], linger_ms=50)
    wait_until(lambda: isr(cluster, topic) == sorted(replicas), "all in sync")
    time.sleep(TRUSTED_SECONDS)


def metadata(cluster: ClusterProcess, topic: str, partition: int = 0) -> PartitionMetadata:
    admin = AdminClient({"bootstrap.servers": cluster.addresses})
    return admin.list_topics(topic, timeout=30).topics[topic].partitions[partition]


def isr(cluster: ClusterProcess, topic: str, partition: int = 0) -> list[int]:
    return sorted(metadata(cluster, topic, partition).isrs)


def leader(cluster: ClusterProcess, topic: str) -> int:
    return int(metadata(cluster, topic).leader)


def log_of(cluster: ClusterProcess, broker: int) -> Path:
    """The one log of a user's topic on a broker."""
    root = cluster.data_dir / f"broker-{broker}"
    found = [path for path in root.glob("*-0/*.log") if VALUES[0] in path.read_bytes()]
    assert len(found) == 1, found
    return found[0]


def rot(path: Path, value: bytes) -> None:
    with path.open("r+b") as file:
        at = file.read().index(value)
        file.seek(at)
        file.write(bytes([value[0] ^ 1]))


def read(cluster: ClusterProcess, topic: str) -> list[bytes | None]:
    return [one.value() for one in read_all(cluster.addresses, topic, len(VALUES), 1, 60)]


def test_a_leader_whose_bytes_have_changed_steps_down_and_copies_them_anew(
    cluster: ClusterProcess,
) -> None:
    filled(cluster, "rotten", [1, 0, 2])
    path = log_of(cluster, 1)
    before = path.read_bytes()
    rot(path, VALUES[150])
    assert read(cluster, "rotten") == VALUES
    assert leader(cluster, "rotten") != 1
    wait_until(lambda: isr(cluster, "rotten") == [0, 1, 2], "the damaged replica is back")
    assert log_of(cluster, 1).read_bytes() == log_of(cluster, 0).read_bytes() == before


def test_a_damaged_follower_that_comes_to_lead_hands_on(cluster: ClusterProcess) -> None:
    filled(cluster, "rotten", [0, 1, 2])
    rot(log_of(cluster, 1), VALUES[7])
    cluster.kill_broker(0)
    wait_until(lambda: leader(cluster, "rotten") in (1, 2), "another leader")
    assert read(cluster, "rotten") == VALUES
    assert leader(cluster, "rotten") != 1
    cluster.wait_for("broker 0 serves again")
    wait_until(lambda: isr(cluster, "rotten") == [0, 1, 2], "all in sync again")
    logs = [log_of(cluster, each).read_bytes() for each in range(3)]
    assert logs[0] == logs[1] == logs[2]


def test_without_another_replica_only_the_damaged_batch_is_refused(
    cluster: ClusterProcess,
) -> None:
    filled(cluster, "alone", [2])
    rot(log_of(cluster, 2), VALUES[150])
    consumer = Consumer(
        {"bootstrap.servers": cluster.addresses, "group.id": "unused", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition("alone", 0, 0)])
    try:
        found, errors = until_error(consumer)
        assert found == VALUES[:150]
        assert errors == {KafkaError.INVALID_MSG}
        consumer.assign([TopicPartition("alone", 0, 160)])
        assert [m.value() for m in consumer.consume(140, 30)] == VALUES[160:]
    finally:
        consumer.close()
    produce(cluster.addresses, "alone", [b"and on"])


def test_committed_offsets_outlive_a_coordinator_whose_log_is_damaged(
    cluster: ClusterProcess,
) -> None:
    """It reads its copy once it is the coordinator, and so finds the damage before it answers."""
    group, offsets = b"a-group-of-its-own", "__consumer_offsets"
    filled(cluster, "read", [0, 1, 2])
    settings = {"bootstrap.servers": cluster.addresses, "group.id": group.decode()}
    place = TopicPartition("read", 0, 170)
    consumer = Consumer(settings)
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()
    time.sleep(TRUSTED_SECONDS)
    copies = {
        path.relative_to(cluster.data_dir).parts[0]: path
        for path in cluster.data_dir.glob("broker-*/*/*.log")
        if group in path.read_bytes()
    }
    assert len(copies) == 3
    partition = int(copies["broker-0"].parent.name.rpartition("-")[2])
    row = metadata(cluster, offsets, partition)
    next_leader = next(each for each in row.replicas if each != row.leader)
    rot(copies[f"broker-{next_leader}"], group)
    cluster.kill_broker(row.leader)
    consumer = Consumer(settings)
    try:
        (found,) = consumer.committed([place], timeout=60)
    finally:
        consumer.close()
    assert found.offset == 170
    cluster.wait_for(f"broker {row.leader} serves again")
    wait_until(lambda: isr(cluster, offsets, partition) == [0, 1, 2], "all in sync again")
    logs = {path.read_bytes() for path in copies.values()}
    assert len(logs) == 1, "the damaged copy is a new one"


def until_error(consumer: Consumer) -> tuple[list[bytes | None], set[int]]:
    found: list[bytes | None] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for message in consumer.consume(500, 1.0):
            error = message.error()
            if error is not None:
                return found, {error.code()}
            found.append(message.value())
    return found, set()
