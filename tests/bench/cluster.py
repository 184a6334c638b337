"""What replication costs: CPU of all brokers together at three replicas over that at one.

Three brokers on three nodes, as far as they know, in both rows: what they cost idle is in both. The
loop lag is what each broker says of its own loops after all of that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from data_plane.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.bench.broker import cpu_s_of
from tests.bench.figures import Figure
from tests.bench.replay import Connection
from tests.bench.settings import Settings
from tests.bench.throughput import KB64, ONE, US
from tests.bench.wire import (
    METADATA,
    METADATA_VERSION,
    REPLICATED,
    SYNCED,
    ask,
    create_topic,
    delete_topic,
    end_offset,
    produce_frame,
)
from tests.chaos.rig import Rig

LAG_MS_MAX = 50.0  # durability.md 5: no callback is longer
_names = count()


@dataclass(frozen=True)
class CostCase:
    """The same batch again and again, `depth` in flight; target: ratio of three to one."""

    name: str
    data: bytes
    requests: int
    depth: int
    target: float

    def measure(self, rig: Rig, settings: Settings, replicas: int) -> float:
        """CPU of all brokers per request, microseconds."""
        requests = settings.count(self.requests)
        topic = f"cost-{next(_names)}"
        # One replica alone is synced before it is acknowledged, unless that is not asked for.
        mode = SYNCED if replicas > 1 else REPLICATED
        with connect(rig, 0) as admin:
            create_topic(admin, topic, replicas=replicas, mode=mode)
            rig.await_in_sync()
            asked = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
            found = ask(admin, METADATA, METADATA_VERSION, asked)
            leader = found.topics[0].partitions[0].leader_id
        frame = produce_frame(topic, self.data)
        with connect(rig, leader) as client:
            client.replay(frame, settings.count(100), self.depth)
            before, used_s = end_offset(client, topic), cpu_s(rig)
            client.replay(frame, requests, self.depth)
            used_s = cpu_s(rig) - used_s
            assert end_offset(client, topic) > before, "they were taken"
            delete_topic(client, topic)
        return used_s / (requests + 1) * US


CASES = (
    CostCase("64 KB, 5 in flight", KB64, 1_000, 5, 4.5),
    CostCase("one record, 1 in flight", ONE, 2_000, 1, 10),
    CostCase("one record, 50 in flight", ONE, 10_000, 50, 10),
)
WHY = (
    "Every request is sent, validated and written twice more. For one record alone three "
    "requests reach the leader instead of one, the record's and one fetch of each follower: "
    "of twelve parts of CPU the leader takes six, each follower three. No request is asked "
    "twice and nobody is woken in vain (strace: per record three reads and three writes of "
    "sockets on the leader, one of each on a follower). A quarter of the leader's is the "
    "kernel's writes, a fifth reading the record back for the two; of a follower's an eighth "
    "each is the codec's for its question and for the answer; the rest is spread thin. "
    "Records that share a fetch share all of that, so it is cheaper the more is in flight."
)


def connect(rig: Rig, index: int) -> Connection:
    return Connection("127.0.0.1", rig.brokers[index].port)


def cpu_s(rig: Rig) -> float:
    return sum(cpu_s_of(broker.pid) for broker in rig.brokers)


def run(settings: Settings) -> Iterator[Figure]:
    cost = {
        (case.name, replicas): Figure(f"{case.name}, {words}", "us CPU/request of all brokers")
        for case in CASES
        for replicas, words in ((1, "one replica"), (3, "three replicas"))
    }
    own = Figure("loop lag p99.9, brokers' loops", "ms", LAG_MS_MAX, note="worst of three")
    quorum = Figure("loop lag p99.9, quorum's loops", "ms", LAG_MS_MAX, note="worst of three")
    for _ in range(settings.rounds):
        with Rig(3, nodes=3) as rig:
            rig.start()
            for case in CASES:
                for replicas in (1, 3):
                    taken = case.measure(rig, settings, replicas)
                    cost[case.name, replicas].samples.append(taken)
            told = [broker.metrics() for broker in rig.brokers]
            own.samples.append(max(one["ottla_loop_lag_p999_ms"] for one in told))
            quorum.samples.append(max(one["ottla_quorum_loop_lag_p999_ms"] for one in told))
    yield from cost.values()
    for case in CASES:
        ratio = cost[case.name, 3].best / cost[case.name, 1].best
        name = f"three replicas / one, {case.name}"
        yield Figure(name, "ratio of bests", case.target, samples=[ratio], why=WHY)
    yield own
    yield quorum
