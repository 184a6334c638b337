"""End to end with the client most programs use: its rate, and what the broker paid for it.

The client is the bottleneck in each row (performance.md 4): the broker's CPU is what counts here.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.bench.broker import Measured, MeasuredBroker
from tests.bench.figures import Figure
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.throughput import cpu_of
from tests.bench.wire import REPLICATED, create_topic

MB = 1_000_000
CHUNK = 10_000


@dataclass(frozen=True)
class ClientCase:
    """Messages of a size in batches of a size; target in `unit` per second of wall clock."""

    name: str
    value_bytes: int
    batch_bytes: int
    unit: str
    target: float | None
    partitions: int = 1
    codec: str = "none"


CASES = (
    ClientCase("produce 1 KB in 64 KB batches", 1_000, 65_536, "MB/s", 250),
    ClientCase("produce 100 B in 16 KB batches", 100, 16_384, "k msg/s", 700),
    ClientCase("produce 1 KB in 64 KB batches, 10 partitions", 1_000, 65_536, "MB/s", None, 10),
    ClientCase("produce 1 KB in 64 KB batches, lz4", 1_000, 65_536, "MB/s", None, 1, "lz4"),
)


def run(settings: Settings) -> Iterator[Figure]:
    rates = {c.name: Figure(c.name, c.unit, c.target, is_more_better=True) for c in CASES}
    costs = {c.name: Figure(f"{c.name}: broker", "us CPU/MB") for c in CASES}
    read_rate = Figure("consume 1 KB", "MB/s", None, is_more_better=True)
    read_cost = Figure("consume 1 KB: broker", "us CPU/MB")
    with MeasuredBroker() as broker:
        for number in range(settings.rounds):
            for at, case in enumerate(CASES):
                topic = f"client-{at}-{number}"
                rate, cost = produce(broker, topic, case, settings.client_mb)
                rates[case.name].samples.append(rate)
                costs[case.name].samples.append(cost)
            rate, cost = consume(broker, f"client-0-{number}", settings.client_mb)
            read_rate.samples.append(rate)
            read_cost.samples.append(cost)
    for case in CASES:
        yield rates[case.name]
        yield costs[case.name]
    yield read_rate
    yield read_cost


def produce(
    broker: Measured, topic: str, case: ClientCase, mb: int, mode: str | None = REPLICATED
) -> tuple[float, float]:
    """(rate in the case's unit, broker CPU in us per MB of values).

    mode: of our brokers; None for one that knows no such thing.
    """
    with Connection(broker.host, broker.port) as admin:
        create_topic(admin, topic, partitions=case.partitions, mode=mode)
    producer = Producer(
        {
            "bootstrap.servers": f"{broker.host}:{broker.port}",
            "acks": "all",
            "batch.size": case.batch_bytes,
            "batch.num.messages": 100_000,
            "linger.ms": 5,
            "compression.type": case.codec,
            "queue.buffering.max.messages": 200_000,
        }
    )
    count = max(1, mb * MB // case.value_bytes // CHUNK) * CHUNK
    chunk = [{"value": bytes(case.value_bytes)} for _ in range(CHUNK)]
    began_s = time.perf_counter()
    with cpu_of(broker) as used:
        left = count
        while left:
            left -= producer.produce_batch(topic, chunk[: min(CHUNK, left)])
            producer.poll(0.001)
        assert producer.flush(60) == 0
    wall_s = time.perf_counter() - began_s
    size_mb = count * case.value_bytes / MB
    rate = count / 1000 / wall_s if case.unit == "k msg/s" else size_mb / wall_s
    return rate, used.cpu_s * MB / size_mb


def consume(broker: Measured, topic: str, mb: int) -> tuple[float, float]:
    """(MB/s, broker CPU in us per MB)."""
    consumer = Consumer(
        {
            "bootstrap.servers": f"{broker.host}:{broker.port}",
            "group.id": "bench",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 1 << 20,
        }
    )
    wanted = max(1, mb * MB // 1_000 // CHUNK) * CHUNK
    consumer.assign([TopicPartition(topic, 0, 0)])
    got = 0
    while not got:
        got = len(consumer.consume(1, 30))
    began_s = time.perf_counter()
    with cpu_of(broker) as used:
        while got < wanted:
            found = consumer.consume(min(CHUNK, wanted - got), 10)
            assert found, f"{got} of {wanted} records came"
            got += len(found)
    wall_s = time.perf_counter() - began_s
    consumer.close()
    size_mb = wanted * 1_000 / MB
    return size_mb / wall_s, used.cpu_s * MB / size_mb
