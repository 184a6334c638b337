"""acks=all in synced mode: how long an answer takes while k partitions are dirty (wall clock)."""

import time
from collections.abc import Iterator

from tests.bench.broker import MeasuredBroker
from tests.bench.figures import Figure
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.wire import SYNCED, batch_of_size, create_topic, produce_frame

REQUESTS = 200
MS = 1_000


def run(settings: Settings) -> Iterator[Figure]:
    """One request writes 4 KB to each of k partitions, and waits for the sync of them all."""
    with (
        MeasuredBroker() as broker,
        Connection(broker.host, broker.port) as client,
    ):
        for dirty in settings.dirty_partitions:
            topic = f"dirty-{dirty}"
            create_topic(client, topic, partitions=dirty, mode=SYNCED)
            frame = produce_frame(topic, batch_of_size(4096), partitions=dirty)
            times_ms = waits(client, frame, settings.count(REQUESTS))
            requests = f"{len(times_ms)} requests"
            for percent in (50, 99):
                name = f"acks=all, {dirty} dirty partitions, p{percent}"
                yield Figure(name, "ms", samples=[percentile(times_ms, percent)], note=requests)


def waits(client: Connection, frame: bytes, count: int) -> list[float]:
    """Milliseconds to each answer, one request at a time; the first ones open the logs."""
    client.replay(frame, 3, 1)
    times_ms = []
    for _ in range(count):
        began_s = time.perf_counter()
        client.send(frame)
        client.receive()
        times_ms.append((time.perf_counter() - began_s) * MS)
    return times_ms


def percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
