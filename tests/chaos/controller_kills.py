"""A3 and D12: metadata writes while the active controller is killed.

Topics are created without pause. A3 is the time from a kill to the next creation that was begun
after it and accepted; D12 asks every broker for every accepted topic.
"""

import random
import threading
import time
from collections.abc import Iterator

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.chaos.broker import ChaosBroker
from tests.chaos.figures import Figure
from tests.chaos.rig import Rig
from tests.checker.gaps import quantiles

ANSWER_SECONDS_MAX = 3.0
SETTLED_SECONDS_MAX = 60.0
VISIBLE_SECONDS_MAX = 5.0
FAILOVER_SECONDS_MAX = 3.0


class Writer(threading.Thread):
    """Creates topics one after the other; keeps what was accepted and when it was begun."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self._servers = bootstrap
        self.accepted: list[str] = []
        self.last_begun = 0.0  # of the last accepted one
        self.is_stopped = False

    def run(self) -> None:
        number = 0
        while not self.is_stopped:
            number += 1
            self._create(f"made-{number}")

    def _create(self, name: str) -> None:
        """Until it is accepted: a repeated creation is told that the topic is there.

        Each try is a new client's: librdkafka would stay with the controller it was told of.
        """
        while not self.is_stopped:
            admin = AdminClient({"bootstrap.servers": self._servers, "log_level": 0})
            begun = time.monotonic()
            made = [NewTopic(name, 1, 3)]
            futures = admin.create_topics(made, request_timeout=1.0, operation_timeout=1.0)
            try:
                futures[name].result(ANSWER_SECONDS_MAX)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    continue
            except TimeoutError:
                continue
            self.accepted.append(name)
            self.last_begun = begun
            return


def figures(seed: int, kills: int) -> Iterator[Figure]:
    with Rig(3, nodes=3) as rig:
        rig.start()
        writer = Writer(rig.bootstrap)
        writer.start()
        seconds = [one_kill(rig, writer, random.Random(seed + at)) for at in range(kills)]
        writer.is_stopped = True
        writer.join(SETTLED_SECONDS_MAX)
        one = quantiles(seconds)
        told = f"p50 {one['p50']} s, p99 {one['p99']} s, max {one['max']} s"
        word = "met" if one["p99"] <= FAILOVER_SECONDS_MAX else "MISSED"
        yield Figure("A3", "next metadata write after a kill", kills, told, "p99 3 s", word)
        missing = {broker.index: missing_topics(broker, writer.accepted) for broker in rig.brokers}
        lost = sum(map(len, missing.values()))
        told = f"{lost} missing on some broker"
        word = "met" if not lost else "MISSED"
        yield Figure("D12", "topics created meanwhile", len(writer.accepted), told, "0", word)


def one_kill(rig: Rig, writer: Writer, rng: random.Random) -> float:
    """Kill the controller at some moment; seconds until a creation begun after it is accepted."""
    time.sleep(rng.uniform(0.2, 1.0))
    victim = controller(rig)
    victim.kill()
    killed = time.monotonic()
    while writer.last_begun < killed:
        assert time.monotonic() - killed < SETTLED_SECONDS_MAX, "no controller takes writes"
        time.sleep(0.005)
    seconds = time.monotonic() - killed
    victim.start()
    rig.await_in_sync()
    return seconds


def controller(rig: Rig) -> ChaosBroker:
    admin = AdminClient({"bootstrap.servers": rig.bootstrap, "log_level": 0})
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while True:
        try:
            found: int = admin.describe_cluster().result(ANSWER_SECONDS_MAX).controller.id
            return rig.brokers[found]
        except (KafkaException, TimeoutError, AttributeError):
            assert time.monotonic() < deadline, "no controller is known"


def missing_topics(broker: ChaosBroker, names: list[str]) -> list[str]:
    """What a broker does not know of, once it had its five seconds."""
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    deadline = time.monotonic() + VISIBLE_SECONDS_MAX
    while True:
        known = admin.list_topics(timeout=SETTLED_SECONDS_MAX).topics
        missing = [name for name in names if name not in known]
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(0.2)
