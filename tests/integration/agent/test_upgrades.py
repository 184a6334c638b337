"""Brokers of older software, and the agent of newer software that comes after: real processes."""

import asyncio
import gc
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from data_plane.agent.engines.base import BrokerPlace, Engine
from data_plane.agent.engines.embedded import EmbeddedEngine
from data_plane.agent.node import Node
from data_plane.agent.node_agent import NodeAgent
from data_plane.agent.software import own_version
from data_plane.contract.report import BrokerStatus
from tests.fakes.scripted_engine import ScriptedEngine
from tests.integration.agent.conftest import (
    TestNode,
    condition_of,
    end_brokers,
    is_applied,
    only_cluster,
    said_of,
    until,
)
from tests.integration.agent.test_real_broker import consume, produce
from tests.integration.agent.test_real_cluster import (
    BROKERS,
    SECONDS_MAX,
    ThreeBrokers,
    are_ready,
    bootstrap,
)

OLDER = "0.0.1"
OLDER_LEVEL, LEVEL = 1, 2  # of ottla.version


class OlderEngine(EmbeddedEngine):
    """Its brokers know `ottla.version` 1 and say that they are OLDER."""

    def __init__(self, seams: Path) -> None:
        self._seams = seams
        seams.write_text(json.dumps({"ottla_version_max": OLDER_LEVEL, "software_version": OLDER}))

    @property
    def software_version(self) -> str:
        return OLDER

    def argv(self, place: BrokerPlace) -> Sequence[str]:
        return [*super().argv(place), "--fault-seams", str(self._seams)]


class BrokenEngine(EmbeddedEngine):
    """Newer software that cannot be run here."""

    def argv(self, place: BrokerPlace) -> Sequence[str]:
        said = "import sys; sys.exit('this machine is too old for it')"
        return [sys.executable, "-c", said, self.marker(place.storage)]


@dataclass
class Upgraded(ThreeBrokers):
    """Three brokers under an engine that is another one from agent to agent."""

    engine: Engine = field(default_factory=EmbeddedEngine)

    def _node(self, threads: ThreadPoolExecutor) -> Node:
        return replace(super()._node(threads), engines={"embedded": self.engine})


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Upgraded]:
    made = Upgraded(tmp_path / "agent", engine=OlderEngine(tmp_path / "seams.json"))
    yield made
    end_brokers(made.storage)


def brokers_of(agent: NodeAgent) -> Sequence[BrokerStatus]:
    return only_cluster(agent).brokers


def start(older: Upgraded) -> list[int | None]:
    """A cluster of older software, left alone by its agent; returns the processes."""
    pids: list[int | None] = []

    async def scenario(agent: NodeAgent) -> None:
        spec = older.cluster(principals=[older.grants("app")])
        agent.accept(older.spec(spec))
        await until(lambda: is_applied(agent, 1), SECONDS_MAX)
        assert {broker.software_version for broker in brokers_of(agent)} == {OLDER}
        assert only_cluster(agent).feature_level == OLDER_LEVEL
        pids.extend(broker.pid for broker in brokers_of(agent))

    older.run(scenario, stop=False)
    return pids


@pytest.mark.timeout(600)
def test_newer_software_rolls_the_cluster_under_load_and_then_finalizes(older: Upgraded) -> None:
    before = start(older)
    older.engine = EmbeddedEngine()
    app = older.authority.client("app", older.cluster_id)

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(older.spec(older.cluster(principals=[older.grants("app")])))
        await until(lambda: len(only_cluster(agent).brokers) == BROKERS, SECONDS_MAX)
        client = older.client(app, 0) | {
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

        levels: set[tuple[int | None, int]] = set()

        def is_upgraded() -> bool:
            cluster = only_cluster(agent)
            newer = sum(one.software_version == own_version() for one in cluster.brokers)
            levels.add((cluster.feature_level, newer))
            return are_ready(agent) and newer == BROKERS and cluster.feature_level == LEVEL

        writing = asyncio.create_task(write())
        try:
            await until(is_upgraded, 3 * SECONDS_MAX)
        finally:
            is_over.set()
            await writing
        assert not {newer for level, newer in levels if level == LEVEL} - {BROKERS}
        assert not set(before) & {broker.pid for broker in brokers_of(agent)}
        await until(lambda: upgraded(agent) == (True, ""), SECONDS_MAX)
        assert len(await asyncio.to_thread(consume, client, "flights", 20 * rounds)) == 20 * rounds

    older.run(scenario)
    gc.collect()  # what the agent's client left behind is to be found within this test


@pytest.mark.timeout(600)
def test_software_that_does_not_come_up_ends_the_roll_and_the_others_stay(older: Upgraded) -> None:
    before = start(older)
    older.engine = BrokenEngine()

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(older.spec(older.cluster(principals=[older.grants("app")])))
        await until(lambda: condition_of(agent, "CrashLoop") == "CrashLoop", SECONDS_MAX)
        await until(lambda: condition_of(agent, "Upgraded") == "Stopped", SECONDS_MAX)
        said = said_of(agent, "Upgraded")
        assert "nothing more is restarted before broker" in said
        assert "this machine is too old for it" in said
        states = [(broker.phase, broker.pid in before) for broker in brokers_of(agent)]
        assert sorted(states) == [("failed", False), ("ready", True), ("ready", True)]
        assert only_cluster(agent).feature_level in (None, OLDER_LEVEL)

    older.run(scenario)
    gc.collect()  # what the agent's client left behind is to be found within this test


class NewerScript(ScriptedEngine):
    """The scripted broker says the version of this installation, which is not this one."""

    @property
    def software_version(self) -> str:
        return "99"


@dataclass
class Scripted(TestNode):
    engine: Engine = field(default_factory=ScriptedEngine)

    def _node(self, threads: ThreadPoolExecutor) -> Node:
        return replace(super()._node(threads), engines={"embedded": self.engine})


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    made = Scripted(tmp_path / "agent")
    yield made
    end_brokers(made.storage)


def upgraded(agent: NodeAgent) -> tuple[bool, str]:
    (found,) = [one for one in only_cluster(agent).conditions if one.name == "Upgraded"]
    return found.status, found.reason


def test_a_broker_is_restarted_once_for_software_and_not_if_the_spec_asks_for_another(
    scripted: Scripted,
) -> None:
    pids: list[int | None] = []

    async def first(agent: NodeAgent) -> None:
        agent.accept(scripted.spec(scripted.cluster()))
        await until(lambda: is_applied(agent, 1))
        assert upgraded(agent) == (True, "")
        pids.append(brokers_of(agent)[0].pid)

    async def second(agent: NodeAgent) -> None:
        agent.accept(scripted.spec(scripted.cluster(2, software_version="98")))
        await until(lambda: is_applied(agent, 2))
        assert upgraded(agent) == (False, "NotHere")
        assert "this node has 99 and not 98" in said_of(agent, "Upgraded")
        assert brokers_of(agent)[0].pid == pids[0]
        agent.accept(scripted.spec(scripted.cluster(3, software_version="99")))
        await until(lambda: brokers_of(agent)[0].pid not in (None, pids[0]))
        await until(lambda: is_applied(agent, 3))
        pids.append(brokers_of(agent)[0].pid)
        await asyncio.sleep(0.5)
        assert brokers_of(agent)[0].pid == pids[1], "it would come up as the same again"
        assert brokers_of(agent)[0].restarts == 0

    scripted.run(first, stop=False)
    scripted.engine = NewerScript()
    scripted.run(second)


def test_a_level_is_finalized_only_where_the_spec_lets_it(scripted: Scripted) -> None:
    scripted.admin.supported = 2

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(scripted.spec(scripted.cluster(finalizes=False)))
        await until(lambda: is_applied(agent, 1))
        assert only_cluster(agent).feature_level == scripted.admin.finalized == 1
        agent.accept(scripted.spec(scripted.cluster(2)))
        await until(lambda: is_applied(agent, 2))
        assert only_cluster(agent).feature_level == scripted.admin.finalized == 2

    scripted.run(scenario)
