"""What a broker costs that has nothing to do: memory, start, connections that only sit there."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.broker import MeasuredBroker
from tests.bench.figures import Figure
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.wire import metadata_frame

MB, KB = 1_000_000, 1_000
SETTLED_S = 0.5


def run(settings: Settings) -> Iterator[Figure]:
    memory = Figure("idle memory, resident", "MB", 60)
    start = Figure("process start to first Metadata", "ms", 400, note="wall clock")
    for _ in range(settings.rounds):
        with MeasuredBroker() as broker, Connection(broker.host, broker.port) as client:
            client.send(metadata_frame())
            client.receive()
            start.samples.append((time.perf_counter() - broker.started_s) * 1000)
            time.sleep(SETTLED_S)
            memory.samples.append(broker.memory_bytes() / MB)
    yield start
    yield memory
    yield idle_connections("idle connection", settings.idle_connections, 10, is_tls=False)
    yield idle_connections("idle mTLS connection", settings.idle_tls_connections, 60, is_tls=True)


def idle_connections(name: str, count: int, target_kb: float, *, is_tls: bool) -> Figure:
    """Resident memory per connection that has asked for ApiVersions once."""
    with MeasuredBroker() as broker:
        port = broker.tls_port if is_tls else broker.port
        with held(broker, port, 2, is_tls=is_tls):
            time.sleep(SETTLED_S)
            before = broker.memory_bytes()
            with held(broker, port, count, is_tls=is_tls):
                time.sleep(SETTLED_S)
                grown = broker.memory_bytes() - before
                served_ms = answer_ms(broker)
    note = f"{count:,} connections; a Metadata beside them {served_ms:.1f} ms"
    return Figure(name, "KB each", target_kb, samples=[grown / count / KB], note=note)


@contextmanager
def held(broker: MeasuredBroker, port: int, count: int, *, is_tls: bool) -> Iterator[None]:
    """Connections of another process, so that its descriptors and memory are not ours."""
    arguments = [broker.host, str(port), str(count), *([str(broker.folder)] if is_tls else [])]
    client = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.idle_client", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    try:
        assert client.stdout.readline() == f"open {count}\n"
        yield
    finally:
        client.stdin.close()
        client.wait(60)
        client.stdout.close()


def answer_ms(broker: MeasuredBroker) -> float:
    with Connection(broker.host, broker.port) as client:
        began_s = time.perf_counter()
        client.send(metadata_frame([]))
        client.receive()
        return (time.perf_counter() - began_s) * 1000
