"""Several agents, each with its own directory and keys, and the control plane's part of a cluster.

`Fleet` writes the specs that the control plane would: candidates first, then members with the ports
that the agents have reported.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_plane.agent.node_agent import NodeAgent
from data_plane.contract.report import BrokerStatus
from data_plane.contract.spec import BrokerSpec, MemberSpec, TurnSpec
from tests.fakes.certificates import CertificateAuthority, Pair
from tests.integration.agent.conftest import end_brokers, only_cluster, until
from tests.integration.agent.test_real_broker import RealCluster

SECONDS_MAX = 90.0  # several interpreters start at once, maybe beside other tests


@dataclass
class FleetNode(RealCluster):
    """One node; the brokers that it shall run are given by the fleet."""

    def started(self) -> "contextlib.AbstractAsyncContextManager[NodeAgent]":
        return self._started()

    @contextlib.asynccontextmanager
    async def _started(self) -> AsyncIterator[NodeAgent]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(2) as threads:
            agent = NodeAgent(self._node(threads))
            agent.start()
            try:
                yield agent
            finally:
                await agent.stop(True)  # the brokers' turn, where `Fleet` has ended the workers


@dataclass
class Fleet:
    """places: for each broker id the index of its node."""

    root: Path
    places: Sequence[int]
    cluster_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    authority: CertificateAuthority = field(default_factory=CertificateAuthority)
    generation: int = 0

    def __post_init__(self) -> None:
        self.nodes = [
            FleetNode(
                self.root / f"agent-{index}",
                cluster_id=self.cluster_id,
                authority=self.authority,
                node_id=str(uuid.uuid4()),
                agent_name=f"agent-{index}",
            )
            for index in range(max(self.places) + 1)
        ]
        self.agents: list[NodeAgent] = []
        self._pairs = {
            broker_id: self.authority.broker(broker_id, self.cluster_id)
            for broker_id in range(len(self.places))
        }
        self._sealed = {
            broker_id: self.nodes[index].sealed(self._pairs[broker_id].key_pem.encode())
            for broker_id, index in enumerate(self.places)
        }

    def run(self, scenario: Callable[["Fleet"], Awaitable[None]]) -> None:
        asyncio.run(self._run(scenario))

    async def _run(self, scenario: Callable[["Fleet"], Awaitable[None]]) -> None:
        async with contextlib.AsyncExitStack() as stack:
            self.agents = [await stack.enter_async_context(node.started()) for node in self.nodes]
            try:
                await scenario(self)
            finally:  # first all agents, so that none looks for brokers that are stopped
                for agent in self.agents:
                    await agent.stop(False)

    def close(self) -> None:
        for node in self.nodes:
            end_brokers(node.storage)

    # -- the control plane's part -----------------------------------------------------------------

    async def form(self, **changes: Any) -> None:
        """From nothing to brokers that serve: ports first, then everybody's addresses."""
        count = len(self.places)
        self.publish(range(count), candidates=range(count), members=(), **changes)
        await until(lambda: len(self.reported_ports()) == count, SECONDS_MAX)
        self.publish(range(count), members=range(count), **changes)
        await until(self.is_applied, SECONDS_MAX)

    def publish(
        self,
        brokers: Sequence[int],
        *,
        members: Sequence[int],
        candidates: Sequence[int] = (),
        first_voters: int = 3,
        turn: TurnSpec | None = None,
        **changes: Any,
    ) -> None:
        self.generation += 1
        rows = self.reported_ports()
        named = [self._member(rows[each], each < first_voters) for each in members]
        for index, (node, agent) in enumerate(zip(self.nodes, self.agents, strict=True)):
            own = [each for each in brokers if self.places[each] == index]
            values: dict[str, object] = {
                "brokers": [self._broker(each, each in candidates) for each in own],
                "members": named,
                "peers": "tls",
                "turn": turn,
                "admin_principals": [one.principal(one.agent_name) for one in self.nodes],
            }
            if own:
                agent.accept(node.spec(node.cluster(self.generation, **(values | changes))))

    def _broker(self, broker_id: int, is_candidate: bool) -> BrokerSpec:
        return BrokerSpec(
            broker_id=broker_id,
            advertised_host="127.0.0.1",
            certificate_pem=self._pairs[broker_id].certificate_pem,
            key=self._sealed[broker_id],
            is_candidate=is_candidate,
        )

    def _member(self, row: BrokerStatus, is_first_voter: bool) -> MemberSpec:
        assert row.internal_port is not None
        assert row.quorum_port is not None
        directory_id = uuid.uuid5(uuid.UUID(self.cluster_id), str(row.broker_id))
        return MemberSpec(
            broker_id=row.broker_id,
            directory_id=str(directory_id),
            is_first_voter=is_first_voter,
            host="127.0.0.1",
            internal_port=row.internal_port,
            quorum_port=row.quorum_port,
        )

    # -- what the agents say ----------------------------------------------------------------------

    def brokers(self) -> dict[int, BrokerStatus]:
        found = [
            broker
            for agent in self.agents
            for cluster in agent.report().clusters
            for broker in cluster.brokers
        ]
        return {broker.broker_id: broker for broker in found}

    def reported_ports(self) -> dict[int, BrokerStatus]:
        return {key: row for key, row in self.brokers().items() if row.internal_port}

    def is_applied(self) -> bool:
        """Every agent that has a part of the cluster has wholly applied what was published last."""
        return all(
            cluster.phase == "ready" and cluster.observed_generation == self.generation
            for agent in self.agents
            for cluster in agent.report().clusters
        )

    def is_settled(self) -> bool:
        """Nothing is being moved, and every replica is in sync, as every agent sees it."""
        return all(
            cluster.out_of_sync_count == 0 and not any(topic.pending for topic in cluster.topics)
            for agent in self.agents
            for cluster in agent.report().clusters
        )

    def wanting(self) -> list[int]:
        """Brokers that wait for their turn."""
        return sorted(key for key, row in self.brokers().items() if row.wants_restart)

    def has_used(self, turn: TurnSpec) -> bool:
        agent = self.agents[self.places[turn.broker_id]]
        return only_cluster(agent).turn_done == turn.number

    def voters(self) -> list[int] | None:
        return only_cluster(self.agents[0]).voters

    def topics(self) -> dict[str, tuple[int, int, str]]:
        rows = only_cluster(self.agents[0]).topics
        return {row.name: (row.partition_count, row.replication_factor, row.error) for row in rows}

    def client(self, pair: Pair) -> dict[str, object]:
        ports = [row.port for row in self.brokers().values()]
        bootstrap = ",".join(f"127.0.0.1:{port}" for port in ports)
        return self.nodes[0].client(pair, 0) | {
            "bootstrap.servers": bootstrap,
            "message.timeout.ms": 60_000,
            "log_level": 0,
        }
