"""One cluster over several agents, each a node of its own: mutual TLS between the brokers."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_plane.contract.spec import TopicSpec
from tests.integration.agent.fleet import Fleet
from tests.integration.agent.test_real_broker import consume, produce

pytestmark = pytest.mark.timeout(300)
ORDERS = TopicSpec(
    name="orders",
    partition_count=3,
    replication_factor=3,
    configs={"min.insync.replicas": "2"},
)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path, places=[0, 1, 2])
    yield made
    made.close()


def test_three_nodes_become_one_cluster(fleet: Fleet) -> None:
    app = fleet.authority.client("app", fleet.cluster_id)
    values = [f"record {number}".encode() for number in range(100)]

    async def scenario(fleet: Fleet) -> None:
        await fleet.form(topics=[ORDERS], principals=[fleet.nodes[0].grants("app")])
        assert fleet.topics() == {"orders": (3, 3, "")}
        client = fleet.client(app)
        assert await asyncio.to_thread(produce, client, "orders", values) == []
        assert sorted(await asyncio.to_thread(consume, client, "orders", 100)) == sorted(values)

    fleet.run(scenario)
