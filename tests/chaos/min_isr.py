"""A5: with too few replicas in sync writes are refused soon, reads go on, and both come back."""

import time
from collections.abc import Iterator

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.chaos.broker import ChaosBroker
from tests.chaos.figures import Figure
from tests.chaos.rig import Rig
from tests.checker.gaps import quantiles
from tests.integration.data_plane.kafka_clients import read_all
from tests.progress import Progress
from tests.stopping import Stopping

TOPIC = "guarded"
REFUSAL_SECONDS_MAX = 2.0
RESUMED_SECONDS_MAX = 5.0
WAIT_SECONDS_MAX = 60.0


def figures(rounds: int, stopping: Stopping) -> Iterator[Figure]:
    refusals: list[float] = []
    resumed: list[float] = []
    unread = 0
    with (
        Rig(3, nodes=3) as rig,
        Progress(rounds, what="rounds", label="replicas") as progress,
    ):
        rig.start()
        admin = AdminClient({"bootstrap.servers": rig.bootstrap})
        config = {"min.insync.replicas": "3"}  # So that two brokers, a quorum, still serve reads.
        admin.create_topics([NewTopic(TOPIC, 1, 3, config=config)])[TOPIC].result(WAIT_SECONDS_MAX)
        acknowledged = 0
        for _ in range(rounds):
            if not stopping.goes_on():
                break
            rig.await_in_sync()
            acknowledged += produce(rig.bootstrap) is None
            victim = follower(rig)
            victim.kill()
            await_shrunk(rig)
            began = time.monotonic()
            told = produce(rig.bootstrap)
            refusals.append(time.monotonic() - began if told is not None else WAIT_SECONDS_MAX)
            unread += acknowledged - len(read_all(rig.bootstrap, TOPIC, acknowledged))
            victim.start()
            rig.await_in_sync()
            began = time.monotonic()
            while produce(rig.bootstrap) is not None:
                assert time.monotonic() - began < WAIT_SECONDS_MAX, "writes are not taken again"
            acknowledged += 1
            resumed.append(time.monotonic() - began)
            progress.step(1)
    if not resumed:
        return
    done = len(resumed)
    for what, seconds, target in (
        ("refusal below min.insync.replicas", refusals, REFUSAL_SECONDS_MAX),
        ("writes taken again after the replica is back", resumed, RESUMED_SECONDS_MAX),
    ):
        one = quantiles(seconds)
        word = "met" if one["max"] <= target else "MISSED"
        yield Figure("A5", what, done, f"max {one['max']} s", f"{target:.0f} s", word)
    word = "met" if not unread else "MISSED"
    yield Figure("A5", "records unreadable meanwhile", done, str(unread), "0", word)


def partition_of(rig: Rig) -> tuple[int, list[int], list[int]]:
    """Leader, replicas, in-sync replicas."""
    admin = AdminClient({"bootstrap.servers": rig.bootstrap, "log_level": 0})
    found = admin.list_topics(TOPIC, timeout=WAIT_SECONDS_MAX).topics[TOPIC].partitions[0]
    return found.leader, found.replicas, found.isrs


def follower(rig: Rig) -> ChaosBroker:
    leader, replicas, _ = partition_of(rig)
    return rig.brokers[next(one for one in replicas if one != leader)]


def await_shrunk(rig: Rig) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while len(partition_of(rig)[2]) == 3:
        assert time.monotonic() < deadline, "a dead replica stays in sync"
        time.sleep(0.1)


def produce(bootstrap: str) -> str | None:
    """Write one record without retries; the error's name, None if it was taken."""
    told: list[str | None] = []

    def report(error: KafkaError | None, _: Message) -> None:
        told.append(None if error is None else error.name())

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "retries": 0,
            "message.timeout.ms": 20_000,
            "log_level": 0,
        }
    )
    producer.produce(TOPIC, b"x", partition=0, on_delivery=report)
    assert producer.flush(WAIT_SECONDS_MAX) == 0, "it is answered"
    return told[0]
