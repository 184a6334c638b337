"""A broker whose directory is lost is replaced, again and again; nothing acknowledged is lost."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_plane.agent.node_agent import NodeAgent
from data_plane.agent.storage import ClusterStorage
from tests.integration.agent.conftest import end_brokers, is_applied, until
from tests.integration.agent.fleet import SECONDS_MAX, Fleet
from tests.integration.agent.losses import VICTIMS, lose_in_turn
from tests.integration.agent.test_real_broker import consume
from tests.integration.agent.test_real_cluster import ThreeBrokers, bootstrap
from tests.integration.agent.test_several_nodes import ORDERS
from tests.integration.agent.writer import Writer

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path, places=[0, 1, 2])
    yield made
    made.close()


@pytest.fixture
def three(tmp_path: Path) -> Iterator[ThreeBrokers]:
    made = ThreeBrokers(tmp_path / "agent")
    yield made
    end_brokers(made.storage)


async def check(client: dict[str, object], losing: asyncio.Task[None], writer: Writer) -> None:
    writing = asyncio.create_task(asyncio.to_thread(writer.run))
    try:
        await losing
        after = writer.acknowledged
        await until(lambda: writer.acknowledged > after + 20, SECONDS_MAX)
    finally:
        losing.cancel()
        writer.stop()
        await writing
    assert writer.errors == []
    read = await asyncio.to_thread(consume, client, "orders", writer.acknowledged)
    assert sorted(read, key=int) == [str(each).encode() for each in range(writer.acknowledged)]
    lost = f"{len(VICTIMS)} directories lost"
    print(f"{lost}, {writer.acknowledged} acknowledged, longest gap {writer.gap_s:.2f} s")


def test_on_one_node(three: ThreeBrokers) -> None:
    app = three.authority.client("app", three.cluster_id)

    async def scenario(agent: NodeAgent) -> None:
        spec = three.cluster(topics=[ORDERS], principals=[three.grants("app")])
        agent.accept(three.spec(spec))
        await until(lambda: is_applied(agent, 1), SECONDS_MAX)
        client = three.client(app, 0) | {
            "bootstrap.servers": bootstrap(agent),
            "message.timeout.ms": 120_000,
            "log_level": 0,
        }
        cluster = three.storage.cluster(three.cluster_id)
        losing = lose_in_turn(lambda _: (agent, cluster), SECONDS_MAX)
        await check(client, asyncio.create_task(losing), Writer(client, "orders"))

    three.run(scenario)
    gc.collect()  # what kafka-python left behind is to be found within this test


def test_over_several_nodes(fleet: Fleet) -> None:
    app = fleet.authority.client("app", fleet.cluster_id)

    def place_of(broker_id: int) -> tuple[NodeAgent, ClusterStorage]:
        index = fleet.places[broker_id]
        return fleet.agents[index], fleet.nodes[index].storage.cluster(fleet.cluster_id)

    async def scenario(fleet: Fleet) -> None:
        await fleet.form(topics=[ORDERS], principals=[fleet.nodes[0].grants("app")])
        client = fleet.client(app) | {"message.timeout.ms": 120_000}
        losing = lose_in_turn(place_of, SECONDS_MAX)
        await check(client, asyncio.create_task(losing), Writer(client, "orders"))

    fleet.run(scenario)
    gc.collect()  # as above
