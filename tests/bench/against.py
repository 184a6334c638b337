"""Our broker and Apache Kafka's under the same load by the same client, in turns, side by side.

Kafka runs as it comes (tests/conformance/apache_process.py): the options of its own scripts, one
node in KRaft mode. Ours has `ack.durability=replicated`, which is Kafka's own rule: a write counts
when it is in the page cache. Rounds alternate, so that what the machine does meanwhile meets both;
the virtual machine compiles while it runs, so that its first rounds cost more than its last: the
best and the median both stand there.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from data_plane.protocol.messages.metadata import MetadataRequest
from tests.bench.broker import Measured, MeasuredBroker
from tests.bench.figures import Figure, shown
from tests.bench.figures import table as columns
from tests.bench.librdkafka import CASES, consume, produce
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.wire import METADATA, METADATA_VERSION, REPLICATED, ask
from tests.conformance.apache_process import OPTIONS, ApacheProcess
from tests.conformance.toolchains import java
from tests.conformance.toolchains.building import need
from tests.integration.data_plane.broker_process import free_port

MB: Final = 1_000_000
SETTLED_S: Final = 2.0
IDLE_S: Final = 10.0
START_S_MAX: Final = 600.0  # a slow start is a figure, not a failure
HEADINGS: Final = ("figure", "unit", "Ottla", "median", "Kafka", "median", "Ottla/Kafka", "", "N")


@dataclass
class Compared:
    """One row: the same figure of both. `ratio` is of the best ones."""

    name: str
    unit: str
    is_more_better: bool = False
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def row(self) -> tuple[str, ...]:
        sides = [
            Figure(self.name, self.unit, is_more_better=self.is_more_better, samples=samples)
            for samples in (self.ours, self.theirs)
        ]
        ratio = sides[0].best / sides[1].best if sides[1].best else float("inf")
        is_ahead = ratio >= 1 if self.is_more_better else ratio <= 1
        values = [shown(value) for side in sides for value in (side.best, side.median)]
        ahead = "Ottla ahead" if is_ahead else "Kafka ahead"
        return (self.name, self.unit, *values, f"{ratio:.2f}", ahead, str(len(self.ours)))


class MeasuredApache(Measured):
    """A broker of Apache Kafka with a plaintext listener on loopback; its data goes with it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ottla-bench-apache-"))
        self._port = free_port()
        self.process = ApacheProcess(self.folder, {"PLAINTEXT": f"{self.host}:{self.port}"})
        self.started_s = self.process.started_s

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int:
        return self.process.process.pid

    def stop(self, *, kill: bool = False) -> None:
        if kill:
            self.process.kill()
        else:
            assert self.process.stop() == 0


@dataclass
class Side:
    """One of the two, and where its samples go."""

    broker: Measured
    mode: str | None  # of its topics

    def of(self, row: Compared) -> list[float]:
        return row.ours if self.mode is not None else row.theirs


def conditions() -> str:
    """What stands beside what."""
    said = subprocess.run([need("java"), "-version"], capture_output=True, text=True, check=True)
    machine = said.stderr.splitlines()[0]
    return f"against   Apache Kafka {java.kafka_version()}, {machine}, {' '.join(OPTIONS)}"


def run(settings: Settings) -> Iterator[Compared]:
    start = Compared("process start to first Metadata", "ms")
    memory = Compared("resident, idle after a start", "MB")
    for _ in range(settings.rounds):
        for open_side in (ours, theirs):
            with open_side() as (side, started_s):
                await_metadata(side.broker)
                side.of(start).append((time.perf_counter() - started_s) * 1000)
                time.sleep(SETTLED_S)
                side.of(memory).append(side.broker.memory_bytes() / MB)
    yield start
    yield memory
    yield from under_load(settings)


def under_load(settings: Settings) -> Iterator[Compared]:
    rates = [Compared(case.name, case.unit, is_more_better=True) for case in CASES]
    costs = [Compared(f"{case.name}: broker", "us CPU/MB") for case in CASES]
    read_rate = Compared("consume 1 KB", "MB/s", is_more_better=True)
    read_cost = Compared("consume 1 KB: broker", "us CPU/MB")
    memory = Compared("resident, after the load", "MB")
    idle = Compared("idle, after the load", "ms CPU/s")
    with ExitStack() as stack:
        sides = [stack.enter_context(open_side())[0] for open_side in (ours, theirs)]
        for number in range(settings.rounds):
            for at, case in enumerate(CASES):
                for side in sides:
                    topic = f"client-{at}-{number}"
                    rate, cost = produce(side.broker, topic, case, settings.client_mb, side.mode)
                    side.of(rates[at]).append(rate)
                    side.of(costs[at]).append(cost)
            for side in sides:
                rate, cost = consume(side.broker, f"client-0-{number}", settings.client_mb)
                side.of(read_rate).append(rate)
                side.of(read_cost).append(cost)
        for side in sides:
            time.sleep(SETTLED_S)
            side.of(memory).append(side.broker.memory_bytes() / MB)
            before = side.broker.cpu_s()
            time.sleep(IDLE_S * settings.share)
            used = side.broker.cpu_s() - before
            side.of(idle).append(used * 1000 / (IDLE_S * settings.share))
    for rate_row, cost_row in zip(rates, costs, strict=True):
        yield rate_row
        yield cost_row
    yield from (read_rate, read_cost, memory, idle)


@contextmanager
def ours() -> Iterator[tuple[Side, float]]:
    with MeasuredBroker() as broker:
        yield Side(broker, REPLICATED), broker.started_s


@contextmanager
def theirs() -> Iterator[tuple[Side, float]]:
    with MeasuredApache() as broker:
        yield Side(broker, None), broker.started_s


def await_metadata(broker: Measured) -> None:
    """Until Metadata names a broker: one that has only begun to listen does not count as there."""
    deadline = time.monotonic() + START_S_MAX
    while not names_a_broker(broker):
        assert time.monotonic() < deadline, "it serves nothing"
        time.sleep(0.005)


def names_a_broker(broker: Measured) -> bool:
    try:
        with Connection(broker.host, broker.port) as client:
            answer = ask(client, METADATA, METADATA_VERSION, MetadataRequest(topics=[]))
    except (ConnectionError, AssertionError):  # hung up before it answered
        return False
    return len(answer.brokers) == 1


def table(rows: Sequence[Compared]) -> str:
    return columns([HEADINGS, *(row.row() for row in rows)])
