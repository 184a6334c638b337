"""Real clients, librdkafka and kafka-python, against a real broker process."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PythonTopicPartition

from tests.integration.data_plane.broker_process import BrokerProcess
from tests.integration.data_plane.kafka_clients import (
    consume,
    create_topic,
    end_offset,
    produce,
    read_all,
)

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


@pytest.mark.parametrize("codec", CODECS)
def test_librdkafka_reads_back_what_it_wrote(broker: BrokerProcess, codec: str) -> None:
    topic = f"codec-{codec}"
    create_topic(broker.address, topic)
    values = [b"%d " % number * 40 for number in range(2_000)]
    produce(broker.address, topic, values, compression_type=codec, enable_idempotence=True)
    found = read_all(broker.address, topic, len(values))
    assert [message.value() for message in found] == values
    assert [message.offset() for message in found] == list(range(len(values)))


def test_a_record_of_one_megabyte_passes(broker: BrokerProcess) -> None:
    create_topic(broker.address, "large")
    value = bytes(range(256)) * 4_000
    produce(broker.address, "large", [value, b"small", value], message_max_bytes=2_000_000)
    found = read_all(broker.address, "large", 3)
    assert [message.value() for message in found] == [value, b"small", value]


def test_acks_one_and_acks_zero_become_readable(broker: BrokerProcess) -> None:
    create_topic(broker.address, "acks")
    produce(broker.address, "acks", [b"one"], acks="1")
    produce(broker.address, "acks", [b"zero"], acks="0")
    found = read_all(broker.address, "acks", 2)
    assert [message.value() for message in found] == [b"one", b"zero"]


def test_an_idempotent_producer_goes_on_in_a_topic_that_is_made_anew(
    broker: BrokerProcess,
) -> None:
    """It knows the topic by name, and its sequences go on where nothing is known of it."""
    errors: list[object] = []
    producer = Producer({"bootstrap.servers": broker.address, "enable.idempotence": True})
    admin = AdminClient({"bootstrap.servers": broker.address})
    for _ in range(2):
        create_topic(broker.address, "anew")
        for value in (b"1", b"2", b"3"):
            producer.produce("anew", value, on_delivery=lambda error, _: errors.append(error))
            assert producer.flush(20) == 0
        assert errors == [None] * 3
        assert [each.value() for each in read_all(broker.address, "anew", 3)] == [b"1", b"2", b"3"]
        errors.clear()
        admin.delete_topics(["anew"])["anew"].result(10)


def test_a_waiting_consumer_is_woken_by_a_produce(broker: BrokerProcess) -> None:
    """The fetch is parked for longer than the test may take, so only a wake-up can answer it."""
    create_topic(broker.address, "waiting")
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "waiting",
            "fetch.wait.max.ms": 60_000,
            "socket.timeout.ms": 90_000,
        }
    )
    consumer.assign([TopicPartition("waiting", 0, 0)])
    assert consumer.consume(1, 0.5) == []
    produce(broker.address, "waiting", [b"awaited"])
    assert [message.value() for message in consume(consumer, 1, 10)] == [b"awaited"]
    consumer.close()


def test_offsets_are_found_by_time(broker: BrokerProcess) -> None:
    create_topic(broker.address, "timed")
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for number in range(10):
        producer.send("timed", b"%d" % number, timestamp_ms=1_000_000 + number * 1_000)
        producer.flush()
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=broker.address)
    partition = PythonTopicPartition("timed", 0)
    found = consumer.offsets_for_times({partition: 1_004_500})[partition]
    assert (found.offset, found.timestamp) == (5, 1_005_000)
    assert consumer.offsets_for_times({partition: 9_000_000})[partition] is None
    assert consumer.beginning_offsets([partition])[partition] == 0
    assert consumer.end_offsets([partition])[partition] == 10
    consumer.close()


def test_kafka_python_reads_what_librdkafka_wrote(broker: BrokerProcess) -> None:
    create_topic(broker.address, "mixed")
    values = [b"value %d" % number for number in range(500)]
    produce(broker.address, "mixed", values, compression_type="lz4")
    consumer = KafkaConsumer(
        "mixed",
        bootstrap_servers=broker.address,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10_000,
    )
    found = [record.value for record, _ in zip(consumer, values, strict=False)]
    consumer.close()
    assert found == values


def test_a_topic_is_created_by_naming_it(broker: BrokerProcess) -> None:
    produce(broker.address, "born-by-name", [b"first"])
    assert end_offset(broker.address, "born-by-name") == 1
