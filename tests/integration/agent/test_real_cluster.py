"""The agent with three real brokers on one node: a whole cluster from one spec."""

import asyncio
import contextlib
import gc
import json
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data_plane.agent import sockets
from data_plane.agent.node_agent import NodeAgent
from data_plane.contract.spec import ClusterSpec, MemberSpec, TopicSpec
from tests.integration.agent.conftest import end_brokers, is_applied, only_cluster, until
from tests.integration.agent.test_real_broker import RealCluster, consume, produce

BROKERS = 3
SECONDS_MAX = 60.0  # three interpreters start at once, maybe beside other tests
FLIGHTS = TopicSpec(
    name="flights",
    partition_count=3,
    replication_factor=3,
    configs={"min.insync.replicas": "2"},
)


class ThreeBrokers(RealCluster):
    def cluster(self, generation: int = 1, **changes: object) -> ClusterSpec:
        one = super().cluster(generation)
        members = [
            MemberSpec(
                broker_id=broker_id,
                directory_id=str(uuid.uuid5(uuid.UUID(self.cluster_id), str(broker_id))),
                is_first_voter=True,
            )
            for broker_id in range(BROKERS)
        ]
        brokers = [
            one.brokers[0].model_copy(update={"broker_id": broker_id})
            for broker_id in range(BROKERS)
        ]
        values = {"members": members, "brokers": brokers, "topics": [FLIGHTS]}
        return super().cluster(generation, **(values | changes))


@pytest.fixture
def three(tmp_path: Path) -> Iterator[ThreeBrokers]:
    made = ThreeBrokers(tmp_path / "agent")
    yield made
    end_brokers(made.storage)


def bootstrap(agent: NodeAgent) -> str:
    return ",".join(f"127.0.0.1:{broker.port}" for broker in only_cluster(agent).brokers)


def are_ready(agent: NodeAgent) -> bool:
    return [broker.phase for broker in only_cluster(agent).brokers] == ["ready"] * BROKERS


def test_three_brokers_become_one_cluster(three: ThreeBrokers) -> None:
    """From the spec to acknowledged records, which outlive the loss of a whole data directory."""
    app = three.authority.client("app", three.cluster_id)
    values = [f"record {number}".encode() for number in range(100)]
    more = [f"later {number}".encode() for number in range(100)]

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(three.spec(three.cluster(principals=[three.grants("app")])))
        await until(lambda: is_applied(agent, 1), SECONDS_MAX)
        status = only_cluster(agent)
        assert [(t.name, t.replication_factor, t.error) for t in status.topics] == [
            ("flights", 3, "")
        ]
        client = three.client(app, 0) | {
            "bootstrap.servers": bootstrap(agent),
            "message.timeout.ms": 60_000,
        }
        assert await asyncio.to_thread(produce, client, "flights", values) == []
        first_id = directory_id(three, 1)
        await lose_directory(agent, three, 1)
        await until(lambda: are_ready(agent), SECONDS_MAX)
        assert directory_id(three, 1) != first_id
        assert await asyncio.to_thread(produce, client, "flights", more) == []
        read = await asyncio.to_thread(consume, client, "flights", 200)
        assert sorted(read) == sorted([*values, *more])
        agent.accept(three.spec(three.cluster(2, desired="absent")))
        await until(lambda: only_cluster(agent).phase == "absent", SECONDS_MAX)
        storage = three.storage.cluster(three.cluster_id)
        assert not storage.root.exists()
        assert not sockets.socket_directory(storage).exists()
        assert list((three.storage.root / "directories").iterdir()) == []

    three.run(scenario)


def test_a_changed_setting_restarts_one_broker_at_a_time(three: ThreeBrokers) -> None:
    """All three, and a producer that goes on meanwhile is answered throughout."""
    app = three.authority.client("app", three.cluster_id)
    principals = [three.grants("app")]
    settings = {"group.initial.rebalance.delay.ms": "1"}

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(three.spec(three.cluster(principals=principals)))
        await until(lambda: is_applied(agent, 1), SECONDS_MAX)
        before = [broker.pid for broker in only_cluster(agent).brokers]
        client = three.client(app, 0) | {
            "bootstrap.servers": bootstrap(agent),
            "message.timeout.ms": 60_000,
            "log_level": 0,
        }
        is_over, rounds = asyncio.Event(), 0

        async def write() -> None:
            nonlocal rounds
            while not is_over.is_set():
                assert await asyncio.to_thread(produce, client, "flights", [b"x"] * 20) == []
                rounds += 1

        most_down, served = 0, set(before)  # a process that served and is slow is not down

        def is_rolled() -> bool:
            nonlocal most_down
            brokers = only_cluster(agent).brokers
            served.update(broker.pid for broker in brokers if broker.phase == "ready")
            down = [one.phase == "draining" or one.pid not in served for one in brokers]
            most_down = max(most_down, sum(down))
            return is_applied(agent, 2)

        writing = asyncio.create_task(write())
        second = three.cluster(2, principals=principals, broker_configs=settings)
        agent.accept(three.spec(second))
        try:
            await until(is_rolled, 2 * SECONDS_MAX)
        finally:
            is_over.set()
            await writing
        after = [broker.pid for broker in only_cluster(agent).brokers]
        assert all(old != new for old, new in zip(before, after, strict=True))
        assert most_down == 1
        assert len(await asyncio.to_thread(consume, client, "flights", 20 * rounds)) == 20 * rounds

    three.run(scenario)


def test_a_broker_that_hangs_is_restarted_and_follows_again(three: ThreeBrokers) -> None:
    """SIGSTOP, which no SIGTERM gets through; what was acknowledged meanwhile is all there."""
    three.limits = replace(three.limits, hung_probes_max=3, hung_s_max=3.0, hung_stop_s_max=0.5)
    app = three.authority.client("app", three.cluster_id)

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(three.spec(three.cluster(principals=[three.grants("app")])))
        await until(lambda: is_applied(agent, 1), SECONDS_MAX)
        client = three.client(app, 0) | {
            "bootstrap.servers": bootstrap(agent),
            "message.timeout.ms": 60_000,
            "log_level": 0,
        }
        values = [f"record {number}".encode() for number in range(300)]
        victim = only_cluster(agent).brokers[0].pid
        assert victim is not None
        assert await asyncio.to_thread(produce, client, "flights", values[:100]) == []
        os.kill(victim, signal.SIGSTOP)
        assert await asyncio.to_thread(produce, client, "flights", values[100:200]) == []
        await until(lambda: only_cluster(agent).brokers[0].restarts == 1, SECONDS_MAX)
        await until(lambda: are_ready(agent), SECONDS_MAX)
        assert only_cluster(agent).brokers[0].pid != victim
        assert await asyncio.to_thread(produce, client, "flights", values[200:]) == []
        read = await asyncio.to_thread(consume, client, "flights", 300)
        assert sorted(read) == sorted(values)

    three.run(scenario)
    gc.collect()  # what that client left behind is to be found within this test


async def lose_directory(agent: NodeAgent, three: ThreeBrokers, broker_id: int) -> None:
    """Remove all that a broker has stored, then kill it; returns once another process runs.

    In this order: the agent starts it again at once. It may also have noticed the loss before.
    """
    pid = only_cluster(agent).brokers[broker_id].pid
    assert pid is not None
    shutil.rmtree(three.storage.cluster(three.cluster_id).broker(broker_id).data)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    await until(lambda: only_cluster(agent).brokers[broker_id].pid not in (pid, None), SECONDS_MAX)


def directory_id(three: ThreeBrokers, broker_id: int) -> str:
    storage = three.storage.cluster(three.cluster_id).broker(broker_id)
    return str(json.loads((storage.data / "meta.json").read_text())["directory_id"])
