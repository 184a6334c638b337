"""Produce and fetch: broker CPU per request, in interleaved rounds, plain and mTLS."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from tests.bench import bare
from tests.bench.broker import Measured, MeasuredBroker
from tests.bench.figures import Figure
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.wire import (
    REPLICATED,
    SYNCED,
    batch,
    batch_of_size,
    create_topic,
    delete_topic,
    end_offset,
    fetch_frame,
    produce_frame,
)

US = 1_000_000
MIB = 1 << 20
_names = count()


@dataclass(frozen=True)
class ProduceCase:
    """One row: the same batch again and again, `depth` in flight."""

    name: str
    data: bytes
    requests: int
    depth: int
    target_us: float | None
    mode: str = REPLICATED
    is_tls: bool = False
    why: str = ""

    def measure(self, broker: MeasuredBroker, settings: Settings) -> float:
        """Broker CPU per request, microseconds. Every record is seen to be there afterwards."""
        requests = settings.count(self.requests)
        topic = f"produce-{next(_names)}"
        frame = produce_frame(topic, self.data)
        with Connection(broker.host, broker.port) as admin, connect(broker, self.is_tls) as client:
            create_topic(admin, topic, mode=self.mode)
            client.replay(frame, settings.count(200), self.depth)
            before = end_offset(admin, topic)
            with cpu_of(broker) as used:
                client.replay(frame, requests, self.depth)
            per_batch = before // (settings.count(200) + 1)
            assert end_offset(admin, topic) - before == (requests + 1) * per_batch
            delete_topic(admin, topic)
        return used.cpu_s / (requests + 1) * US


@dataclass(frozen=True)
class FetchCase:
    """One row: the same bytes again and again, from the page cache."""

    name: str
    size_bytes: int
    requests: int
    target_us: float | None
    batch_bytes: int = 64 * 1024
    is_tls: bool = False
    why: str = ""

    def measure(self, broker: MeasuredBroker, settings: Settings) -> float:
        """Broker CPU per request, microseconds."""
        requests = settings.count(self.requests)
        topic = f"fetch-{next(_names)}"
        with Connection(broker.host, broker.port) as admin, connect(broker, self.is_tls) as client:
            create_topic(admin, topic, mode=REPLICATED)
            fill = produce_frame(topic, batch_of_size(self.batch_bytes))
            admin.replay(fill, self.size_bytes // self.batch_bytes + 4, 4)
            frame = fetch_frame(topic, bytes_max=self.size_bytes)
            client.replay(frame, settings.count(20), 1)
            with cpu_of(broker) as used:
                client.replay(frame, requests, 1)
            delete_topic(admin, topic)
        return used.cpu_s / (requests + 1) * US


class Used:
    cpu_s = 0.0


@contextmanager
def cpu_of(broker: Measured) -> Iterator[Used]:
    """What the broker's process used meanwhile."""
    used = Used()
    before = broker.cpu_s()
    yield used
    used.cpu_s = broker.cpu_s() - before


def connect(broker: MeasuredBroker, is_tls: bool) -> Connection:
    if is_tls:
        return Connection(broker.host, broker.tls_port, broker.folder)
    return Connection(broker.host, broker.port)


ONE = batch(1, 100)
KB16, KB64, MB1 = batch_of_size(16 * 1024), batch_of_size(64 * 1024), batch_of_size(MIB - 4096)

PRODUCE = (
    ProduceCase("produce 64 KB, 5 in flight", KB64, 2_000, 5, 60),
    ProduceCase("produce 64 KB, 5 in flight, synced", KB64, 1_000, 5, None, SYNCED),
    ProduceCase("produce 16 KB, 5 in flight", KB16, 4_000, 5, 30),
    ProduceCase("produce one record, 1 in flight", ONE, 5_000, 1, 20),
    ProduceCase("produce one record, 1 in flight, synced", ONE, 1_000, 1, None, SYNCED),
    ProduceCase("produce one record, 50 in flight", ONE, 20_000, 50, 9),
    ProduceCase("produce one record, 50 in flight, synced", ONE, 20_000, 50, None, SYNCED),
    ProduceCase("produce 1 MB, 2 in flight", MB1, 200, 2, None),
    ProduceCase("produce 64 KB, 5 in flight, mTLS", KB64, 1_000, 5, None, is_tls=True),
    ProduceCase("produce 1 MB, 2 in flight, mTLS", MB1, 100, 2, None, is_tls=True),
)
FETCH = (
    FetchCase("fetch 1 MB", MIB, 400, 350),
    FetchCase("fetch 64 KB", 64 * 1024 + 512, 2_000, None, 16 * 1024),
    FetchCase("fetch one 170 B batch", 170, 4_000, None, 170),
    FetchCase("fetch 1 MB, mTLS", MIB, 150, None, is_tls=True),
)
RATIOS = (  # name, TLS row, plain row, target
    ("mTLS / plain, produce 64 KB", "produce 64 KB, 5 in flight, mTLS", PRODUCE[0].name, 2.0),
    ("mTLS / plain, produce 1 MB", "produce 1 MB, 2 in flight, mTLS", PRODUCE[7].name, 2.0),
    ("mTLS / plain, fetch 1 MB", "fetch 1 MB, mTLS", FETCH[0].name, 4.0),
)


WHY_TLS = (
    "TLS alone adds {floor:.0f} us per MB in a server that does nothing else: more than half is "
    "AES-GCM, the rest copies through OpenSSL's memory BIOs and 64 reads of 16 KB. Beside a "
    "plain request of {plain:.0f} us that makes {least:.1f} at the least; the cheaper the plain "
    "one, the larger the ratio. Tried: no turn for a piece of a frame (-6 %), OpenSSL's C methods "
    "without the ssl module's wrappers (no difference). The kernel here has no TLS of its own."
)


def run(settings: Settings) -> Iterator[Figure]:
    """All rows, one after the other in each round, so that a noisy minute hits all alike."""
    cases: tuple[ProduceCase | FetchCase, ...] = (*PRODUCE, *FETCH)
    figures = {
        case.name: Figure(case.name, "us CPU/request", case.target_us, why=case.why)
        for case in cases
    }
    floor = Figure("mTLS alone: 1 MB into a server that drops it", "us CPU more than plain")
    with MeasuredBroker() as broker:
        for _ in range(settings.rounds):
            for case in cases:
                figures[case.name].samples.append(case.measure(broker, settings))
            requests = settings.count(bare.REQUESTS)
            floor.samples.append(bare.tls_us_per_mb(broker.folder, requests))
    yield from figures.values()
    yield floor
    for name, tls, plain, target in RATIOS:
        ratio = figures[tls].best / figures[plain].best
        least = 1 + floor.best / figures[plain].best
        why = WHY_TLS.format(floor=floor.best, plain=figures[plain].best, least=least)
        yield Figure(name, "ratio of bests", target, samples=[ratio], why=why)
