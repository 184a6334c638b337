"""`make soak`: A6 and L6. Load for hours, and a write probe for each partition every five seconds.

Kills are spread evenly over the time; memory, descriptors and loop lag are watched meanwhile.

An interval has failed if the probe of any partition was not acknowledged before the next one was
due. Memory is judged by the slope of a line through one process's samples behind the warm-up, so a
process that was killed begins anew; the longest life of each broker counts.
"""

import argparse
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.bench.machine import conditions
from tests.chaos import leftovers
from tests.chaos.broker import ChaosBroker
from tests.chaos.figures import Figure, table, unless_stopped
from tests.chaos.rig import Rig
from tests.progress import Progress
from tests.stopping import NEVER, Stopping

PARTITIONS = 6
LOAD, PROBED = "load", "probed"
PROBE_SECONDS = 5.0
VALUE = b"." * 200
TURN_SECONDS = 0.02
CHURN_SECONDS = 10.0
WAIT_SECONDS_MAX = 120.0
DOWN_SECONDS = 5.0
MB = 1 << 20
SLOPE_MB_MAX = 1.0  # per hour
DESCRIPTORS_MAX = 16  # more at the end than behind the warm-up: clients come and go
LAG_MS_MAX = 50.0
SLOPE_HOURS_MIN = 0.25  # less says nothing of an hour


@dataclass(frozen=True, slots=True)
class Soak:
    """How long, and how much."""

    minutes: float = 24 * 60
    faults: int = 24
    rate: float = 500.0  # records per second
    warm_up_minutes: float = 60
    sample_seconds: float = 30.0
    seed: int = 1
    stopping: Stopping = field(default=NEVER, repr=False)


class Sample(NamedTuple):
    """One look at one broker."""

    at_s: float
    pid: int
    resident_bytes: int
    descriptors: int


class Background(threading.Thread):
    """Runs `turn` until it is stopped; a failure in it is kept."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.bootstrap = bootstrap
        self.is_stopped = False
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.is_stopped:
                self.turn()
        except BaseException as error:
            self.failure = error

    def turn(self) -> None:
        raise NotImplementedError

    def client(self, **more: object) -> dict[str, object]:
        return {"bootstrap.servers": self.bootstrap, "log_level": 0, "error_cb": quiet} | more


def quiet(_error: KafkaError) -> None:
    """Brokers that go away are what some of this is about."""


class Load(Background):
    """Writes at a rate, reads it back in the same process."""

    def __init__(self, bootstrap: str, rate: float) -> None:
        super().__init__(bootstrap)
        self._rate = rate
        self._producer = Producer(self.client(acks="all", **{"enable.idempotence": True}))
        group = {"group.id": "soak", "auto.offset.reset": "earliest"}
        self._consumer = Consumer(self.client(**group))
        self._consumer.subscribe([LOAD])
        self._began_s = time.monotonic()
        self._sent = self.acked = self.lost = self.read = 0

    def turn(self) -> None:
        due = int((time.monotonic() - self._began_s) * self._rate)
        for _ in range(min(due - self._sent, 1_000)):
            try:
                self._producer.produce(
                    LOAD, VALUE, partition=self._sent % PARTITIONS, on_delivery=self._report
                )
            except BufferError:
                break
            self._sent += 1
        self._producer.poll(0)
        self.read += sum(one.error() is None for one in self._consumer.consume(1_000, TURN_SECONDS))

    def _report(self, error: KafkaError | None, _: Message) -> None:
        self.acked += error is None
        self.lost += error is not None

    def finish(self) -> None:
        self._producer.flush(WAIT_SECONDS_MAX)
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while self.read < self.acked and time.monotonic() < deadline:
            self.read += sum(one.error() is None for one in self._consumer.consume(1_000, 0.5))
        self._consumer.close()


class Probe(Background):
    """One record for each partition every five seconds, each with five seconds to be taken."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap)
        self._producer = Producer(
            self.client(acks="all", **{"linger.ms": 0, "message.timeout.ms": 5_000})
        )
        self._next_s = time.monotonic()
        self.intervals = self.failed = 0

    def turn(self) -> None:
        time.sleep(max(0.0, min(0.2, self._next_s - time.monotonic())))
        if time.monotonic() < self._next_s:
            return
        taken: list[bool] = []
        for index in range(PARTITIONS):
            self._producer.produce(
                PROBED, b"?", partition=index, on_delivery=lambda e, _: taken.append(e is None)
            )
        self._producer.flush(PROBE_SECONDS + 1)
        self.intervals += 1
        self.failed += taken.count(True) < PARTITIONS
        self._next_s += PROBE_SECONDS


class Churn(Background):
    """Clients, groups and topics that come and go, as what they leave behind would show."""

    def turn(self) -> None:
        name = f"churn-{time.monotonic_ns()}"
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for future in admin.create_topics([NewTopic(name, 2, 3)]).values():
            future.exception(WAIT_SECONDS_MAX)
        consumer = Consumer(self.client(**{"group.id": name}))
        consumer.subscribe([name])
        consumer.poll(1)
        consumer.close()
        for future in admin.delete_topics([name]).values():
            future.exception(WAIT_SECONDS_MAX)
        deadline = time.monotonic() + CHURN_SECONDS
        while time.monotonic() < deadline and not self.is_stopped:
            time.sleep(0.1)


def look(broker: ChaosBroker) -> Sample:
    status = Path(f"/proc/{broker.pid}/statm").read_text().split()
    descriptors = len(list(Path(f"/proc/{broker.pid}/fd").iterdir()))
    return Sample(time.monotonic(), broker.pid, int(status[1]) * 4096, descriptors)


def figures(soak: Soak) -> Iterator[Figure]:
    with Rig(3, nodes=3) as rig:
        rig.start()
        config = {"segment.bytes": str(16 * MB), "retention.bytes": str(64 * MB)}
        rig.create_topics({LOAD: PARTITIONS, PROBED: PARTITIONS}, {LOAD: config})
        rig.await_in_sync()
        load, probe = Load(rig.bootstrap, soak.rate), Probe(rig.bootstrap)
        threads = [load, probe, Churn(rig.bootstrap)]
        for one in threads:
            one.start()
        began_s = time.monotonic()
        samples = watched(rig, soak, load, probe)
        for one in threads:
            one.is_stopped = True
        for one in threads:
            one.join(WAIT_SECONDS_MAX)
            assert one.failure is None, f"{type(one).__name__} ended: {one.failure!r}"
        load.finish()
        rig.await_in_sync()
        lags = [broker.metrics()["ottla_loop_lag_p999_ms"] for broker in rig.brokers]
        hours = (time.monotonic() - began_s) / 3600
        kills = sum(broker.starts - 1 for broker in rig.brokers)
    yield from judged(kills, hours, load, probe)
    yield from leaks(soak, began_s, samples)
    word = "met" if max(lags) <= LAG_MS_MAX else "MISSED"
    yield Figure("L6", "loop lag p99.9", 3, f"max {max(lags):.1f} ms", "50 ms", word)


def watched(rig: Rig, soak: Soak, load: Load, probe: Probe) -> list[list[Sample]]:
    """Kill a broker now and then, look at all of them in between; one list for each broker."""

    def told() -> str:
        return f"{load.acked:,} acknowledged, {probe.failed} of {probe.intervals} intervals failed"

    with Progress(round(soak.minutes * 60), what="s", label="soak", look=told) as progress:
        return sampled(rig, soak, progress)


def sampled(rig: Rig, soak: Soak, progress: Progress) -> list[list[Sample]]:
    rng = random.Random(soak.seed)
    samples: list[list[Sample]] = [[] for _ in rig.brokers]
    began_s, seconds = time.monotonic(), soak.minutes * 60
    done = 0
    while (passed_s := time.monotonic() - began_s) < seconds and soak.stopping.goes_on():
        progress.reach(int(passed_s))
        for broker, seen in zip(rig.brokers, samples, strict=True):
            seen.append(look(broker))
        if done < soak.faults and passed_s > seconds * (done + 0.5) / soak.faults:
            victim = rig.any_broker(rng)
            victim.kill()
            time.sleep(DOWN_SECONDS)
            victim.start()
            done += 1
        rest(soak)
    return samples


def rest(soak: Soak) -> None:
    deadline = time.monotonic() + soak.sample_seconds
    while time.monotonic() < deadline and not soak.stopping.is_asked:
        time.sleep(min(0.2, soak.sample_seconds))


def judged(kills: int, hours: float, load: Load, probe: Probe) -> Iterator[Figure]:
    what = f"intervals without a write, {hours:.2f} h, {kills} kills"
    word = "met" if probe.failed <= kills and probe.intervals else "MISSED"
    told = f"{probe.failed} ({100 * (1 - probe.failed / max(1, probe.intervals)):.2f} % up)"
    yield Figure("A6", what, probe.intervals, told, str(kills), word)
    word = "met" if not load.lost and load.read >= load.acked else "MISSED"
    told = f"{load.lost} refused, {max(0, load.acked - load.read)} unread"
    yield Figure("A6", "records of the load", load.acked, told, "0, 0", word)


def leaks(soak: Soak, began_s: float, samples: list[list[Sample]]) -> Iterator[Figure]:
    warm_s = began_s + soak.warm_up_minutes * 60
    lives = [longest_life([one for one in seen if one.at_s >= warm_s]) for seen in samples]
    hours = min(((life[-1].at_s - life[0].at_s) / 3600 for life in lives if life), default=0.0)
    slopes = [slope_mb(life) for life in lives]
    told = ", ".join(f"{one:.2f}" for one in slopes) + f" MB/h over {hours:.2f} h"
    is_met = max(slopes, default=0.0) <= SLOPE_MB_MAX
    is_short = hours < SLOPE_HOURS_MIN
    word = "UNKNOWN" if is_short else "met" if is_met else "MISSED"
    yield Figure("L6", "growth of resident memory", len(lives), told, "1 MB/h", word)
    grown = [life[-1].descriptors - life[0].descriptors for life in lives if life]
    word = "UNKNOWN" if is_short else "met" if max(grown) <= DESCRIPTORS_MAX else "MISSED"
    yield Figure("L6", "growth of open files", len(grown), str(grown), str(DESCRIPTORS_MAX), word)


def longest_life(samples: list[Sample]) -> list[Sample]:
    """The samples of the process that was seen longest."""
    lives: dict[int, list[Sample]] = {}
    for one in samples:
        lives.setdefault(one.pid, []).append(one)
    return max(lives.values(), key=len, default=[])


def slope_mb(samples: list[Sample]) -> float:
    """Of the line of least squares through resident memory, MB per hour."""
    if len(samples) < 2:
        return 0.0
    hours = [(one.at_s - samples[0].at_s) / 3600 for one in samples]
    mean_h = sum(hours) / len(hours)
    mean_b = sum(one.resident_bytes for one in samples) / len(samples)
    across = sum((h - mean_h) ** 2 for h in hours)
    along = sum(
        (h - mean_h) * (one.resident_bytes - mean_b) for h, one in zip(hours, samples, strict=True)
    )
    return along / across / MB if across else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    whole = Soak()
    made = argparse.ArgumentParser(prog="make soak", description=__doc__)
    made.add_argument("--minutes", type=float, default=whole.minutes)
    made.add_argument("--faults", type=int, default=whole.faults)
    made.add_argument("--rate", type=float, default=whole.rate, help="records/s")
    made.add_argument("--warm-up", type=float, default=None, help="minutes; default: up to 60")
    made.add_argument("--seed", type=int, default=whole.seed)
    given = made.parse_args(arguments)
    warm_up = min(60.0, given.minutes / 5) if given.warm_up is None else given.warm_up
    print(conditions().partition("method")[0].rstrip(), flush=True)
    soak = Soak(
        minutes=given.minutes,
        faults=given.faults,
        rate=given.rate,
        warm_up_minutes=warm_up,
        sample_seconds=min(whole.sample_seconds, given.minutes * 60 / 100),
        seed=given.seed,
        stopping=Stopping(),
    )
    try:
        with soak.stopping.heard("stopping: what was done is judged; once more ends it at once"):
            found = list(unless_stopped("soak", figures(soak), soak.stopping))
    finally:
        leftovers.clear_own()
    print(f"\n{soak}\n{table(found)}")
    verdicts = {one.verdict for one in found}
    return 1 if "MISSED" in verdicts else 2 if "UNKNOWN" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
