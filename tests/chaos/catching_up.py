"""A8: a replica that is far behind catches up, and the others' clients hardly notice.

A follower is killed, so much is written without it, and it comes back. Meanwhile one record at a
time goes to partitions of another topic with acks=all: their latency then, against that before.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.chaos.figures import Figure
from tests.chaos.rig import Rig
from tests.checker.gaps import quantiles
from tests.progress import Progress
from tests.stopping import Stopping

MB = 1_000_000
FILLED, PROBED = "filled", "probed"
PARTITIONS = 6
VALUE_BYTES = 10_000
BATCH_BYTES = 500_000
PROBE_SECONDS = 0.02
BASE_SECONDS = 20.0
WAIT_SECONDS_MAX = 600.0
CATCH_UP_SECONDS_MAX = 60.0
RATIO_MAX = 3.0
TARGET_MB = 1_000
PER_MB = MB // VALUE_BYTES  # records


class Probe(threading.Thread):
    """One record at a time, each to the next partition; (when it was sent, seconds until acked)."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0, "log_level": 0}
        )
        self.taken: list[tuple[float, float]] = []
        self.errors = 0
        self.is_stopped = False

    def run(self) -> None:
        number = 0
        while not self.is_stopped:
            number += 1
            sent = time.monotonic()
            self._producer.produce(
                PROBED, b"x" * 100, partition=number % PARTITIONS, on_delivery=self._report(sent)
            )
            self._producer.flush(WAIT_SECONDS_MAX)
            time.sleep(PROBE_SECONDS)

    def _report(self, sent: float) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, _: Message) -> None:
            self.errors += error is not None
            self.taken.append((sent, time.monotonic() - sent))

        return report

    def seconds(self, since: float, until: float) -> list[float]:
        return [seconds for sent, seconds in self.taken if since <= sent < until]


def figures(seed: int, behind_mb: int, stopping: Stopping) -> Iterator[Figure]:
    with Rig(3, nodes=3) as rig:
        rig.start()
        admin = AdminClient({"bootstrap.servers": rig.bootstrap})
        made = [NewTopic(FILLED, PARTITIONS, 3), NewTopic(PROBED, PARTITIONS, 3)]
        for future in admin.create_topics(made).values():
            future.result(WAIT_SECONDS_MAX)
        rig.await_in_sync()
        probe = Probe(rig.bootstrap)
        probe.start()
        try:
            with Progress(behind_mb, what="MB written", label="catch-up") as progress:
                found = measured(rig, probe, random.Random(seed), progress, stopping)
            yield from found
        finally:
            probe.is_stopped = True
            probe.join(WAIT_SECONDS_MAX)


def measured(
    rig: Rig, probe: Probe, rng: random.Random, progress: Progress, stopping: Stopping
) -> list[Figure]:
    """Stopped early, the replica is only so far behind as was written until then."""
    began = time.monotonic()
    time.sleep(BASE_SECONDS)
    base = quantiles(probe.seconds(began, time.monotonic()))
    victim = rig.any_broker(rng)
    victim.kill()
    fill(rig.bootstrap, progress, stopping)
    behind_mb = progress.done
    victim.launch()
    victim.await_ready()
    back = time.monotonic()
    rig.await_in_sync(WAIT_SECONDS_MAX)
    caught_up = time.monotonic()
    during = quantiles(probe.seconds(back, caught_up))
    seconds = caught_up - back
    told = f"{seconds:.1f} s, {behind_mb / max(seconds, 0.001):.0f} MB/s"
    is_met = seconds <= CATCH_UP_SECONDS_MAX * behind_mb / TARGET_MB
    what = f"a replica {behind_mb:,} MB behind is in sync again"
    word = "met" if is_met else "MISSED"
    caught = Figure("A8", what, 1, told, "60 s for 1,000 MB", word)
    ratio = during["p99"] / base["p99"] if during["n"] else 0.0
    told = f"{ratio:.1f} x ({during.get('p99')} s, before {base['p99']} s)"
    word = "met" if 0 < ratio <= RATIO_MAX and not probe.errors else "MISSED"
    what = f"p99 of others meanwhile, {probe.errors} errors"
    return [caught, Figure("A8", what, int(during["n"]), told, f"{RATIO_MAX:.0f} x", word)]


def fill(bootstrap: str, progress: Progress, stopping: Stopping) -> None:
    """Write all of `progress` to all partitions in turn; every record is acknowledged."""
    failed: list[str] = []

    def report(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error.name())

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "batch.size": BATCH_BYTES,
            "linger.ms": 20,
            "queue.buffering.max.kbytes": 64_000,
            "message.timeout.ms": int(WAIT_SECONDS_MAX * 1000),
            "log_level": 0,
        }
    )
    value = random.Random(progress.total).randbytes(VALUE_BYTES)
    for number in range(progress.total * PER_MB):
        if not number % PER_MB:
            progress.reach(number // PER_MB)
            if not stopping.goes_on():
                break
        while True:
            try:
                producer.produce(FILLED, value, partition=number % PARTITIONS, on_delivery=report)
            except BufferError:
                producer.poll(0.1)
            else:
                break
        producer.poll(0)
    else:
        progress.reach(progress.total)
    assert producer.flush(WAIT_SECONDS_MAX) == 0, "every record is answered"
    assert not failed, f"{len(failed)} records were refused: {failed[0]}"
