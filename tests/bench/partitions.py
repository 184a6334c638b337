"""Many partitions: start after either kind of stop, and Metadata for all of them."""

import time
from collections.abc import Iterator

from tests.bench.broker import MeasuredBroker
from tests.bench.figures import Figure
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.throughput import cpu_of
from tests.bench.wire import batch, create_topic, metadata_frame, produce_frame

TOPICS = 10
METADATA_REQUESTS = 50
LOGS_S_MAX = 300
MS = 1_000


def run(settings: Settings) -> Iterator[Figure]:
    count = settings.partitions // TOPICS * TOPICS
    with MeasuredBroker() as broker:
        with Connection(broker.host, broker.port) as client:
            for number in range(TOPICS):
                create_topic(client, f"many-{number}", partitions=count // TOPICS)
        wait_for_logs(broker, count)
        yield Figure(f"memory with {count:,} partitions", "MB", samples=[mb(broker)])
        yield start_figure(broker, f"start with {count:,} partitions, after a clean stop", 5)
        yield from metadata_figures(broker, count, settings)
        with Connection(broker.host, broker.port) as client:
            for number in range(TOPICS):
                frame = produce_frame(f"many-{number}", batch(1, 100), partitions=count // TOPICS)
                client.send(frame)
                client.receive()
        yield Figure(f"memory with {count:,} partitions, all open", "MB", samples=[mb(broker)])
        yield start_figure(broker, f"start with {count:,} partitions, after kill -9", 5, kill=True)


def mb(broker: MeasuredBroker) -> float:
    return broker.memory_bytes() / 1_000_000


def wait_for_logs(broker: MeasuredBroker, count: int) -> None:
    """Until each partition has its directory: they are made behind the answer, off the loop, and
    the next start would make what is missing."""
    until_s = time.monotonic() + LOGS_S_MAX
    while sum(1 for _ in broker.data_dir.glob("*-[0-9]*")) < count:
        assert time.monotonic() < until_s, f"not all of {count} logs were made"
        time.sleep(0.1)


def start_figure(
    broker: MeasuredBroker, name: str, target_s: float | None, *, kill: bool = False
) -> Figure:
    """Seconds from the process's start to an answered Metadata request."""
    broker.stop(kill=kill)
    began_s = time.perf_counter()
    broker.start_again()
    with Connection(broker.host, broker.port) as client:
        client.send(metadata_frame([]))
        client.receive()
    took_s = time.perf_counter() - began_s
    cpu_s = broker.cpu_s()
    why = f"it took {cpu_s:.2f} s of CPU; the rest is a wait for the disk, or for a busy machine."
    note = f"wall clock; {cpu_s:.2f} s CPU"
    return Figure(name, "s", target_s, samples=[took_s], note=note, why=why)


def metadata_figures(
    broker: MeasuredBroker, count: int, settings: Settings
) -> tuple[Figure, Figure]:
    """The first request after a start, which encodes every row, and those after it."""
    what = f"Metadata of all {count:,} partitions"
    first = Figure(f"{what}, first asked", "ms CPU")
    cached = Figure(f"{what}, from cache", "ms CPU", 1)
    frame = metadata_frame()
    with Connection(broker.host, broker.port) as client:
        client.send(metadata_frame([]))  # The encoder of the rest is compiled at its first use.
        client.receive()
        with cpu_of(broker) as used:
            client.send(frame)
            client.receive()
        first.samples.append(used.cpu_s * MS)
        for _ in range(settings.rounds):
            requests = settings.count(METADATA_REQUESTS)
            with cpu_of(broker) as used:
                client.replay(frame, requests, 1)
            cached.samples.append(used.cpu_s / (requests + 1) * MS)
    return first, cached
