"""One cluster over several agents, each a node of its own: mutual TLS between the brokers."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from data_plane.contract.spec import TopicSpec, TurnSpec
from tests.integration.agent.conftest import until
from tests.integration.agent.fleet import SECONDS_MAX, Fleet
from tests.integration.agent.test_real_broker import consume, produce
from tests.integration.agent.writer import Writer

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


def test_one_broker_becomes_three_while_it_serves(fleet: Fleet) -> None:
    """Its one replica becomes three, nothing acknowledged is lost, and three brokers vote."""
    app = fleet.authority.client("app", fleet.cluster_id)
    grants = [fleet.nodes[0].grants("app")]
    alone = ORDERS.model_copy(
        update={"replication_factor": 1, "configs": {"min.insync.replicas": "1"}}
    )

    async def scenario(fleet: Fleet) -> None:
        fleet.publish([0], members=[], topics=[alone], principals=grants)
        await until(fleet.is_applied, SECONDS_MAX)
        writer = Writer(fleet.client(app), "orders")
        writing = asyncio.create_task(asyncio.to_thread(writer.run))
        try:
            await until(lambda: writer.acknowledged > 20, SECONDS_MAX)
            fleet.publish(
                range(3), members=[], candidates=[1, 2], topics=[alone], principals=grants
            )
            await until(lambda: len(fleet.reported_ports()) == 3, SECONDS_MAX)
            grown: dict[str, Any] = {
                "members": range(3),
                "first_voters": 0,
                "turn": TurnSpec(number=1, broker_id=0),
                "principals": grants,
            }
            fleet.publish(range(3), topics=[alone], **grown)
            await until(fleet.is_applied, SECONDS_MAX)
            await until(lambda: fleet.voters() == [0, 1, 2], SECONDS_MAX)
            fleet.publish(range(3), topics=[ORDERS], **grown)
            await until(lambda: fleet.is_applied() and fleet.is_settled(), SECONDS_MAX)
        finally:
            writer.stop()
            await writing
        assert writer.errors == []
        assert fleet.topics() == {"orders": (3, 3, "")}
        client = fleet.client(app)
        read = await asyncio.to_thread(consume, client, "orders", writer.acknowledged)
        assert len(set(read)) == len(read) == writer.acknowledged
        print(f"{writer.acknowledged} acknowledged, longest gap {writer.gap_s:.2f} s")

    fleet.run(scenario)


def test_a_roll_over_nodes_restarts_one_broker_per_turn(fleet: Fleet) -> None:
    """Without a turn nobody is restarted, however long; with turns one at a time, all served."""
    app = fleet.authority.client("app", fleet.cluster_id)
    common: dict[str, Any] = {
        "members": range(3),
        "topics": [ORDERS],
        "principals": [fleet.nodes[0].grants("app")],
    }
    changed: dict[str, Any] = {"broker_configs": {"group.initial.rebalance.delay.ms": "1"}}

    async def scenario(fleet: Fleet) -> None:
        await fleet.form(topics=common["topics"], principals=common["principals"])
        before = {key: row.pid for key, row in fleet.brokers().items()}
        writer = Writer(fleet.client(app), "orders")
        writing = asyncio.create_task(asyncio.to_thread(writer.run))
        try:
            fleet.publish(range(3), **common, **changed)
            await until(lambda: fleet.wanting() == [0, 1, 2], SECONDS_MAX)
            assert {key: row.pid for key, row in fleet.brokers().items()} == before
            for number, broker_id in enumerate((2, 0, 1), 1):
                turn = TurnSpec(number=number, broker_id=broker_id)
                fleet.publish(range(3), turn=turn, **common, **changed)
                await until(partial(fleet.has_used, turn), SECONDS_MAX)
                pids = {key: row.pid for key, row in fleet.brokers().items()}
                moved = {key for key in pids if pids[key] != before[key]}
                assert moved == set((2, 0, 1)[:number])
            await until(fleet.is_applied, SECONDS_MAX)
        finally:
            writer.stop()
            await writing
        assert writer.errors == []
        client = fleet.client(app)
        read = await asyncio.to_thread(consume, client, "orders", writer.acknowledged)
        assert len(set(read)) == len(read) == writer.acknowledged
        print(f"{writer.acknowledged} acknowledged, longest gap {writer.gap_s:.2f} s")

    fleet.run(scenario)
