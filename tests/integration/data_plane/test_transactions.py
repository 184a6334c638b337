"""Transactions of real clients: commit, abort, fencing, offsets, timeouts, and kills on the way."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec
from kafka import KafkaConsumer, KafkaProducer

from tests.integration.data_plane.broker_process import BrokerProcess, free_port
from tests.integration.data_plane.conftest import Starter
from tests.integration.data_plane.kafka_clients import consume, create_topic, end_offset


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One broker for the tests of this module."""
    directory = tmp_path_factory.mktemp("broker") / "data"
    running = BrokerProcess("--data-dir", str(directory))
    yield running
    assert running.stop() == 0


@pytest.fixture
def topic(broker: BrokerProcess) -> str:
    name = f"t-{uuid.uuid4()}"
    create_topic(broker.address, name, 3)
    return name


def transactional(address: str, transactional_id: str, **settings: Any) -> Producer:
    """A producer that has initialised its transactions."""
    producer = Producer(
        {
            "bootstrap.servers": address,
            "transactional.id": transactional_id,
            "log_level": 0,  # A fenced one lives on until it is collected, and says so.
            **{name.replace("_", "."): value for name, value in settings.items()},
        }
    )
    producer.init_transactions(20)
    return producer


def send(producer: Producer, topic: str, *values: bytes) -> None:
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % 3)
    assert producer.flush(10) == 0


def transaction(producer: Producer, topic: str, *values: bytes) -> None:
    producer.begin_transaction()
    send(producer, topic, *values)
    producer.commit_transaction(20)


def committed(address: str, topic: str, count: int, seconds_max: float = 10) -> list[bytes]:
    """What a read_committed librdkafka consumer sees, sorted; `count` or what came in time."""
    return sorted(message.value() or b"" for message in read(address, topic, count, seconds_max))


def read(
    address: str, topic: str, count: int, seconds_max: float, isolation: str = "read_committed"
) -> list[Any]:
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": isolation,
        }
    )
    consumer.assign([TopicPartition(topic, index, 0) for index in range(3)])
    try:
        return consume(consumer, count, seconds_max)
    finally:
        consumer.close()


def test_committed_records_are_seen_and_aborted_ones_are_not(
    broker: BrokerProcess, topic: str
) -> None:
    producer = transactional(broker.address, f"id-{topic}")
    transaction(producer, topic, b"a1", b"a2", b"a3")
    producer.begin_transaction()
    send(producer, topic, b"x1", b"x2", b"x3")
    producer.abort_transaction(20)
    transaction(producer, topic, b"b1", b"b2", b"b3")
    assert committed(broker.address, topic, 6) == [b"a1", b"a2", b"a3", b"b1", b"b2", b"b3"]
    everything = read(broker.address, topic, 9, 10, "read_uncommitted")
    assert sorted(message.value() for message in everything)[6:] == [b"x1", b"x2", b"x3"]
    # Three transactions of one record each, and a marker behind each of them.
    assert [end_offset(broker.address, topic, index) for index in range(3)] == [6, 6, 6]


@pytest.mark.semantics("28b")
def test_an_open_transaction_holds_back_what_comes_behind_it(
    broker: BrokerProcess, topic: str
) -> None:
    producer = transactional(broker.address, f"id-{topic}")
    producer.begin_transaction()
    send(producer, topic, b"open")
    plain = Producer({"bootstrap.servers": broker.address})
    plain.produce(topic, b"plain", partition=0)
    assert plain.flush(10) == 0
    assert committed(broker.address, topic, 1, seconds_max=1) == []
    admin = AdminClient({"bootstrap.servers": broker.address})

    def end(isolation: IsolationLevel) -> int:
        latest_of = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # of confluent_kafka
        wanted = {TopicPartition(topic, 0): latest_of}
        found = admin.list_offsets(wanted, isolation_level=isolation)
        return int(next(iter(found.values())).result(10).offset)

    assert end(IsolationLevel.READ_UNCOMMITTED) == 2
    assert end(IsolationLevel.READ_COMMITTED) == 0
    producer.commit_transaction(20)
    assert committed(broker.address, topic, 2) == [b"open", b"plain"]
    assert end(IsolationLevel.READ_COMMITTED) == 3


def test_kafka_python_skips_what_was_aborted(broker: BrokerProcess, topic: str) -> None:
    producer = transactional(broker.address, f"id-{topic}")
    producer.begin_transaction()
    send(producer, topic, b"x")
    producer.abort_transaction(20)
    transaction(producer, topic, b"good")
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.address,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        group_id=None,
        consumer_timeout_ms=3_000,
    )
    try:
        assert [record.value for record in consumer] == [b"good"]
    finally:
        consumer.close()


def test_kafka_python_produces_in_transactions(broker: BrokerProcess, topic: str) -> None:
    producer = KafkaProducer(
        bootstrap_servers=broker.address, transactional_id=f"id-{topic}", acks="all"
    )
    try:
        producer.init_transactions()
        for value, commits in ((b"one", True), (b"two", False), (b"three", True)):
            producer.begin_transaction()
            producer.send(topic, value, partition=0).get(10)
            if commits:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
    finally:
        producer.close()
    assert committed(broker.address, topic, 2) == [b"one", b"three"]


def test_aiokafka_produces_and_consumes_in_transactions(broker: BrokerProcess, topic: str) -> None:
    async def converse() -> list[bytes]:
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.address, transactional_id=f"id-{topic}"
        )
        await producer.start()
        try:
            async with producer.transaction():
                await producer.send_and_wait(topic, b"one", partition=0)
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"two", partition=0)
            await producer.abort_transaction()
            async with producer.transaction():
                await producer.send_and_wait(topic, b"three", partition=0)
        finally:
            await producer.stop()
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=broker.address,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            return [(await asyncio.wait_for(consumer.getone(), 10)).value for _ in range(2)]
        finally:
            await consumer.stop()

    assert asyncio.run(converse()) == [b"one", b"three"]


def test_a_second_producer_fences_the_first(broker: BrokerProcess, topic: str) -> None:
    first = transactional(broker.address, f"id-{topic}")
    first.begin_transaction()
    send(first, topic, b"lost")
    second = transactional(broker.address, f"id-{topic}")
    with pytest.raises(KafkaException) as refused:
        first.commit_transaction(20)
    assert refused.value.args[0].fatal()
    assert refused.value.args[0].name() in ("_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH")
    transaction(second, topic, b"kept")
    assert committed(broker.address, topic, 1) == [b"kept"]


def test_offsets_of_a_transaction_count_once_it_commits(broker: BrokerProcess, topic: str) -> None:
    address, group = broker.address, f"g-{topic}"
    transaction(transactional(address, f"source-{topic}"), topic, b"in")
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6_000,
        }
    )
    consumer.subscribe([topic])
    try:
        assert [message.value() for message in consume(consumer, 1)] == [b"in"]
        producer = transactional(address, f"id-{topic}")
        where = consumer.position(consumer.assignment())
        for commits in (False, True):
            producer.begin_transaction()
            send(producer, topic, b"out")
            offsets = [one for one in where if one.offset >= 0]
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 20)
            end = producer.commit_transaction if commits else producer.abort_transaction
            end(20)
            found = consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset
            assert (found >= 0) is commits
    finally:
        consumer.close()
    assert committed(address, topic, 2) == [b"in", b"out"]


def test_a_transaction_whose_time_is_up_is_aborted(broker: BrokerProcess, topic: str) -> None:
    producer = transactional(broker.address, f"id-{topic}", transaction_timeout_ms=1_000)
    producer.begin_transaction()
    send(producer, topic, b"late")
    deadline = time.monotonic() + 15
    while end_offset(broker.address, topic, 0) < 2:  # The marker comes by itself.
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(KafkaException):
        producer.commit_transaction(10)
    transaction(transactional(broker.address, f"id-{topic}"), topic, b"next")
    assert committed(broker.address, topic, 1) == [b"next"]


def test_a_timeout_above_the_limit_is_refused(broker: BrokerProcess, topic: str) -> None:
    with pytest.raises(KafkaException) as refused:
        transactional(broker.address, f"id-{topic}", transaction_timeout_ms=900_001)
    assert refused.value.args[0].name() == "INVALID_TRANSACTION_TIMEOUT"


@pytest.mark.parametrize("delay_ms", [0, 1, 3, 8, 20])
def test_a_broker_killed_within_a_commit_gives_one_copy(
    start_broker: Starter, topic_name: str, delay_ms: int
) -> None:
    """The producer goes on with the restarted broker, and its commit ends well, once."""
    broker = start_broker(port=free_port())
    create_topic(broker.address, topic_name, 3)
    producer = transactional(broker.address, "id", socket_timeout_ms=5_000)
    transaction(producer, topic_name, b"a1", b"a2", b"a3")
    producer.begin_transaction()
    send(producer, topic_name, b"b1", b"b2", b"b3")
    with ThreadPoolExecutor(1) as pool:
        commit = pool.submit(producer.commit_transaction, 60)
        time.sleep(delay_ms / 1000)
        broker.kill()
        broker = start_broker(port=broker.port)
        commit.result(60)
    transaction(producer, topic_name, b"c1")
    expected = [b"a1", b"a2", b"a3", b"b1", b"b2", b"b3", b"c1"]
    assert committed(broker.address, topic_name, len(expected)) == expected
    assert [end_offset(broker.address, topic_name, index) >= 4 for index in range(3)] == [True] * 3


def test_a_broker_killed_before_the_commit_gives_nothing(
    start_broker: Starter, topic_name: str
) -> None:
    """The process that wrote is gone too: the next one of its id aborts what it left."""
    broker = start_broker(port=free_port())
    create_topic(broker.address, topic_name, 3)
    lost = transactional(broker.address, "id")
    lost.begin_transaction()
    send(lost, topic_name, b"x1", b"x2")
    broker.kill()
    broker = start_broker(port=broker.port)
    transaction(transactional(broker.address, "id"), topic_name, b"kept")
    assert committed(broker.address, topic_name, 1) == [b"kept"]
    assert read(broker.address, topic_name, 3, 10, "read_uncommitted")


@pytest.fixture
def topic_name() -> str:
    return f"t-{uuid.uuid4()}"
