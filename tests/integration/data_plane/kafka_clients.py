"""Short forms of what the tests ask real clients to do."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

Settings = Mapping[str, Any]


def create_topic(address: str, name: str, partitions: int = 1, **configs: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    futures = admin.create_topics([NewTopic(name, partitions, 1, config=configs)])
    futures[name].result(timeout=10)


def produce(
    address: str, topic: str, values: Sequence[bytes], partition: int = 0, **settings: Any
) -> list[Message]:
    """Write values in order; returns the delivered messages. Fails on any delivery error."""
    delivered: list[Message] = []
    errors: list[KafkaError] = []

    def report(error: KafkaError | None, message: Message) -> None:
        if error is None:
            delivered.append(message)
        else:
            errors.append(error)

    options = {name.replace("_", "."): value for name, value in settings.items()}
    producer = Producer({"bootstrap.servers": address, "acks": "all", **options})
    for value in values:
        producer.produce(topic, value, partition=partition, on_delivery=report)
    assert producer.flush(20) == 0, "records were left in the producer"
    assert not errors, errors[0]
    return delivered


def read_all(
    address: str, topic: str, count: int, partitions: int = 1, seconds_max: float = 20
) -> list[Message]:
    """Read `count` records from the beginning, without a group."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "unused",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )
    consumer.assign([TopicPartition(topic, index, 0) for index in range(partitions)])
    try:
        return consume(consumer, count, seconds_max)
    finally:
        consumer.close()


def consume(consumer: Consumer, count: int, seconds_max: float = 20) -> list[Message]:
    """Exactly `count` messages, or fewer when the time is over; errors fail."""
    found: list[Message] = []
    deadline = time.monotonic() + seconds_max
    while len(found) < count and time.monotonic() < deadline:
        for message in consumer.consume(count - len(found), 0.2):
            assert message.error() is None, message.error()
            found.append(message)
    return found


def end_offset(address: str, topic: str, partition: int = 0) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "unused"})
    try:
        _, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    finally:
        consumer.close()
    return int(high)
