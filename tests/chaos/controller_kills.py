"""A3 and D12: metadata changes without pause while the active controller is killed.

A3 is the time from a kill to the next accepted change that was begun after it. D12: every accepted
change is shown by every broker within five seconds, whole; nobody tells that nothing was done where
something was; at the end all images are equal.

A partition without a replica on the controller's broker must not notice: its acknowledgements are
watched around each kill.
"""

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from data_plane.metadata.topic_names import METADATA_TOPIC
from data_plane.protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumRequestPartition,
    DescribeQuorumRequestTopic,
)
from tests.chaos.asking import NoAnswer, ask
from tests.chaos.broker import ChaosBroker
from tests.chaos.figures import Figure
from tests.chaos.metadata.changes import subjects
from tests.chaos.metadata.images import compare
from tests.chaos.metadata.writer import VISIBLE_SECONDS_MAX, Writer
from tests.chaos.rig import Rig
from tests.checker.gaps import quantiles
from tests.progress import Progress
from tests.stopping import Stopping

SETTLED_SECONDS_MAX = 60.0
FAILOVER_SECONDS_MAX = 3.0
GAP_SECONDS_MAX = 0.5  # what a busy machine does to a client that sends every 20 ms
WATCHED_SECONDS = 3.0
SEND_SECONDS = 0.02
ASIDE = "aside"


class Watch(threading.Thread):
    """Sends to one partition for each broker, which has no replica on it; keeps when each was
    acknowledged.

    Each has a producer of its own: a connection's answers come in order, so behind a record that
    waits for a dead replica those of another partition with the same leader would wait, too.
    """

    def __init__(self, rig: Rig) -> None:
        super().__init__(daemon=True)
        self._rig = rig
        self.acked: list[list[float]] = [[] for _ in rig.brokers]
        self.is_stopped = False

    def create(self) -> None:
        """Two replicas each: partition i is on the brokers other than i."""
        everyone = [broker.index for broker in self._rig.brokers]
        assignment = [[each for each in everyone if each != left_out] for left_out in everyone]
        admin = AdminClient({"bootstrap.servers": self._rig.bootstrap, "log_level": 0})
        made = NewTopic(ASIDE, len(everyone), replica_assignment=assignment)
        admin.create_topics([made])[ASIDE].result(SETTLED_SECONDS_MAX)

    def run(self) -> None:
        settings = {"bootstrap.servers": self._rig.bootstrap, "acks": "all", "linger.ms": 0}
        settings |= {"log_level": 0, "error_cb": lambda _error: None}
        producers = [Producer(settings) for _ in self.acked]

        def report(error: KafkaError | None, message: Message) -> None:
            index = message.partition()
            if error is None and index is not None:
                self.acked[index].append(time.monotonic())

        while not self.is_stopped:
            for index, producer in enumerate(producers):
                producer.produce(ASIDE, b"x", partition=index, on_delivery=report)
                producer.poll(0)
            time.sleep(SEND_SECONDS)
        for producer in producers:
            producer.flush(SETTLED_SECONDS_MAX)

    def longest_gap(self, index: int, since: float) -> float:
        """The longest time without an acknowledgement from `since` on."""
        until = since + WATCHED_SECONDS
        times = [since, *(at for at in self.acked[index] if since < at <= until), until]
        return max(late - early for early, late in itertools.pairwise(times))


def figures(seed: int, kills: int, stopping: Stopping) -> Iterator[Figure]:
    with Rig(3, nodes=3) as rig:
        rig.start()
        watch = Watch(rig)
        watch.create()
        watch.start()
        writer = Writer(rig.brokers, seed)
        writer.start()
        try:
            rounds = killed(rig, writer, watch, seed, kills, stopping)
        finally:
            writer.is_stopped = watch.is_stopped = True
            writer.join(SETTLED_SECONDS_MAX)
            watch.join(SETTLED_SECONDS_MAX)
        if rounds:
            yield from failovers(rounds)
        yield from changes(rig, writer, len(rounds))


def killed(
    rig: Rig, writer: Writer, watch: Watch, seed: int, kills: int, stopping: Stopping
) -> list[tuple[float, float]]:
    """What each kill gave, as `one_kill`."""

    def told() -> str:
        return f"{sum(writer.accepted.values()):,} changes accepted"

    rounds = []
    with Progress(kills, what="kills", label="controllers", look=told) as progress:
        for at in range(kills):
            if not stopping.goes_on():
                break
            rounds.append(one_kill(rig, writer, watch, random.Random(seed + at)))
            progress.step(1)
    return rounds


def failovers(rounds: list[tuple[float, float]]) -> Iterator[Figure]:
    one = quantiles([seconds for seconds, _ in rounds])
    told = f"p50 {one['p50']} s, p99 {one['p99']} s, max {one['max']} s"
    word = "met" if one["p99"] <= FAILOVER_SECONDS_MAX else "MISSED"
    yield Figure("A3", "next metadata write after a kill", len(rounds), told, "p99 3 s", word)
    one = quantiles([gap for _, gap in rounds])
    told = f"p50 {one['p50']} s, p99 {one['p99']} s, max {one['max']} s"
    word = "met" if one["p99"] <= GAP_SECONDS_MAX else "MISSED"
    what = "ack gap of the partition that has no replica there"
    yield Figure("A3", what, len(rounds), told, f"p99 {GAP_SECONDS_MAX} s", word)


def changes(rig: Rig, writer: Writer, kills: int) -> Iterator[Figure]:
    count = sum(writer.accepted.values())
    left = [
        f"{subject} on {broker.index}"
        for broker in rig.brokers
        for subject in subjects()
        if not writer.shows(broker, subject)
    ]
    if writer.failure is not None:
        left.append(repr(writer.failure))
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(writer.accepted.items()))
    word = "met" if not left and not writer.odd and count > kills else "MISSED"
    told = f"{len(writer.odd)} odd, {len(left)} wrong at the end"
    yield Figure("D12", f"changes under {kills} kills", count, told, "0, 0", word)
    yield Figure("", f"  {kinds}", count, "", "", "")
    for words in [*writer.odd, *left][:16]:
        yield Figure("", f"  {words}", 0, "", "", "")
    yield shown(writer.seen_seconds)
    for broker in rig.brokers:
        assert broker.stop() == 0, "a broker that is whole stops cleanly"
    first, offset, digests = compare([broker.data_dir for broker in rig.brokers])
    word = "met" if len(digests) == 1 and first <= offset else "MISSED"
    what = f"metadata images at offset {offset:,}, by hash"
    yield Figure("D12", what, len(rig.brokers), f"{len(digests)} different", "1", word)


def shown(seconds: Sequence[float]) -> Figure:
    """D12: how long after its acceptance the last broker that serves showed a change."""
    what, target = "shown by all that serve", f"max {VISIBLE_SECONDS_MAX:g} s"
    if not seconds:
        return Figure("D12", what, 0, "nothing measured", target, "UNKNOWN")
    one = quantiles(list(seconds))
    told = f"p50 {one['p50']} s, p99 {one['p99']} s, max {one['max']} s"
    word = "met" if max(seconds) <= VISIBLE_SECONDS_MAX else "MISSED"
    return Figure("D12", what, len(seconds), told, target, word)


def one_kill(rig: Rig, writer: Writer, watch: Watch, rng: random.Random) -> tuple[float, float]:
    """Kill the controller at some moment; seconds until a change begun after it is accepted, and
    the longest ack gap of the partition that was not on its broker."""
    time.sleep(rng.uniform(0.2, 1.0))
    victim = controller(rig)
    writer.serving.discard(victim.index)
    victim.kill()
    killed = time.monotonic()
    while writer.last_begun < killed:
        assert writer.failure is None, f"the writer ended: {writer.failure!r}"
        assert time.monotonic() - killed < SETTLED_SECONDS_MAX, "no controller takes writes"
        time.sleep(0.005)
    seconds = time.monotonic() - killed
    time.sleep(max(0.0, killed + WATCHED_SECONDS - time.monotonic()))
    gap = watch.longest_gap(victim.index, killed)
    victim.start()
    writer.serving.add(victim.index)
    rig.await_in_sync()
    return seconds, gap


def controller(rig: Rig) -> ChaosBroker:
    """Who leads the quorum, as any broker says: Metadata may name another that passes things on."""
    asked = DescribeQuorumRequestTopic(METADATA_TOPIC, [DescribeQuorumRequestPartition(0)])
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while True:
        for broker in rig.brokers:
            with suppress(NoAnswer):
                answer = ask(broker.port, DescribeQuorumRequest([asked]))
                if not answer.error_code and not answer.topics[0].partitions[0].error_code:
                    leader: int = answer.topics[0].partitions[0].leader_id
                    return rig.brokers[leader]
        assert time.monotonic() < deadline, "no controller is known"
        time.sleep(0.05)
