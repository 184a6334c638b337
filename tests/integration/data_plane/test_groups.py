"""Consumer groups of real clients: two members, commits, resume after restarts."""

import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as PythonTopicPartition

from tests.integration.data_plane.broker_process import BrokerProcess, wait_until
from tests.integration.data_plane.conftest import Starter
from tests.integration.data_plane.kafka_clients import consume, create_topic, produce

PARTITIONS = 4


def member(address: str, group: str, **settings: Any) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6_000,
            "heartbeat.interval.ms": 300,
            **settings,
        }
    )


def share(consumer: Consumer) -> set[int]:
    """Partitions this member owns now; polling lets it take part in the rebalance."""
    consumer.poll(0.05)
    return {owned.partition for owned in consumer.assignment()}


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_two_members_share_the_partitions(broker: BrokerProcess, strategy: str) -> None:
    topic = group = f"shared-{strategy}"
    create_topic(broker.address, topic, PARTITIONS)
    settings = {"partition.assignment.strategy": strategy}
    first, second = (member(broker.address, group, **settings) for _ in range(2))
    first.subscribe([topic])
    second.subscribe([topic])

    def is_shared() -> bool:
        one, two = share(first), share(second)
        return len(one) == len(two) == PARTITIONS // 2 and one | two == set(range(PARTITIONS))

    wait_until(is_shared, "an even share of the partitions")
    for index in range(PARTITIONS):
        produce(broker.address, topic, [b"%d" % index] * 100, index)
    found = consume(first, 200) + consume(second, 200)
    assert sorted(int(message.value() or b"") for message in found) == sorted(list(range(4)) * 100)
    first.commit(asynchronous=False)
    first.close()
    wait_until(lambda: share(second) == set(range(PARTITIONS)), "the whole for the one who stays")
    second.close()


def test_two_members_of_kafka_python_share_the_partitions(broker: BrokerProcess) -> None:
    create_topic(broker.address, "python-shared", PARTITIONS)
    for index in range(PARTITIONS):
        produce(broker.address, "python-shared", [b"%d" % index] * 50, index)
    found: list[bytes] = []
    owned: dict[int, set[int]] = {}
    both_own = threading.Event()

    def work(number: int) -> None:
        consumer = KafkaConsumer(
            "python-shared",
            bootstrap_servers=broker.address,
            group_id="python-shared",
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=300,
        )
        while not both_own.is_set() or len(found) < 50 * PARTITIONS:
            for records in consumer.poll(100).values():
                found.extend(record.value for record in records)
                consumer.commit()
            owned[number] = {partition.partition for partition in consumer.assignment()}
            if all(len(owned.get(each, ())) == PARTITIONS // 2 for each in (0, 1)):
                both_own.set()
        consumer.close()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), (owned, len(found))
    assert {value: found.count(value) >= 50 for value in set(found)} == {
        b"%d" % index: True for index in range(PARTITIONS)
    }


@pytest.mark.parametrize("is_clean", [True, False])
def test_committed_offsets_outlive_the_broker(
    start_broker: Starter, tmp_path: Path, is_clean: bool
) -> None:
    broker = start_broker()
    create_topic(broker.address, "resumed")
    produce(broker.address, "resumed", [b"%d" % number for number in range(10)])
    consumer = member(broker.address, "resuming")
    consumer.subscribe(["resumed"])
    assert len(consume(consumer, 6)) == 6
    consumer.commit(offsets=[TopicPartition("resumed", 0, 6, metadata="note")], asynchronous=False)
    if is_clean:
        consumer.close()
        assert broker.stop() == 0
    else:
        broker.kill()
        consumer.close()
    broker = start_broker()
    committed = member(broker.address, "resuming").committed([TopicPartition("resumed", 0)], 10)
    assert (committed[0].offset, committed[0].metadata) == (6, "note")
    python = KafkaConsumer(
        bootstrap_servers=broker.address, group_id="resuming", enable_auto_commit=False
    )
    assert python.committed(PythonTopicPartition("resumed", 0)) == 6
    python.close()
