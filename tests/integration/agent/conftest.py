"""Nodes for the agent's tests: directories whose brokers are ended with the test."""

import asyncio
import random
import signal
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.agent.processes import AgentProcess

from data_plane.agent.config import AgentConfig, Limits, PortRange
from data_plane.agent.metrics import SampleNumbers, SampleQueue
from data_plane.agent.node import Node
from data_plane.agent.node_agent import NodeAgent
from data_plane.agent.ports import PortBook, is_free
from data_plane.agent.processes import find_by_marker, send
from data_plane.agent.secrets import NodeKeys
from data_plane.agent.storage import Storage
from data_plane.contract.report import ClusterStatus
from data_plane.contract.spec import BrokerSpec, ClusterSpec, NodeSpec, SealedSecret
from tests.fakes.memory_admin import MemoryAdmin
from tests.fakes.scripted_engine import ScriptedEngine
from tests.fakes.sealing import seal

NODE_ID = "7a3fdc1e-8f6e-4a35-9a55-0d9b6b3f2c11"
QUICK = Limits(
    report_interval_s=0.2,
    retry_s_max=0.3,
    sample_interval_s=0.1,
    start_delays_ms=(0, 10, 20, 30, 40),
    stop_s_max=3.0,
)


# Those given last: ports of a node that has started nothing yet are free.
_GIVEN: deque[PortRange] = deque(maxlen=16)


def free_ports(count: int = 30) -> PortRange:
    """A range of ports that are free now, below those that outgoing connections take.

    Those of the nodes of one test have no port in common.
    """
    while True:
        first = random.SystemRandom().randrange(10_000, 32_000 - count)
        ports = PortRange(first, first + count - 1)
        is_apart = all(abs(given.first - first) >= count for given in _GIVEN)
        if is_apart and all(is_free("0.0.0.0", port) for port in ports):
            _GIVEN.append(ports)
            return ports


async def until(is_true: Callable[[], bool], seconds_max: float = 20.0) -> None:
    """Wait for a state that the test is about; failing is a failure of the state, not of speed."""
    deadline = time.monotonic() + seconds_max
    while not is_true():
        assert time.monotonic() < deadline, "the state awaited did not come about"
        await asyncio.sleep(0.01)


@dataclass
class TestNode:
    """An agent within the test's own process, its admin calls answered from memory."""

    __test__ = False
    root: Path
    limits: Limits = QUICK
    ports: PortRange = field(default_factory=free_ports)
    admin: MemoryAdmin = field(default_factory=MemoryAdmin)
    cluster_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    generation: int = 0
    node_id: str = NODE_ID

    def __post_init__(self) -> None:
        self.storage = Storage(self.root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.keys = NodeKeys.load_or_create(self.root)

    def sealed(self, plain: bytes) -> SealedSecret:
        return seal(plain, self.keys.sealing_public_key, self.node_id)

    def cluster(self, generation: int = 1, **changes: object) -> ClusterSpec:
        """One cluster with one broker; `changes` replace fields of the spec."""
        values: dict[str, object] = {
            "cluster_id": self.cluster_id,
            "generation": generation,
            "trusted_ca_pem": "ca",
            "admin_certificate_pem": "certificate",
            "admin_key": self._sealed_once("admin"),
            "admin_principal": "User:CN=admin,O=ottla",
            "brokers": [self.broker()],
        }
        return ClusterSpec.model_validate(values | changes)

    def broker(self, port: int = 0) -> BrokerSpec:
        return BrokerSpec(
            broker_id=0,
            advertised_host="127.0.0.1",
            port=port,
            certificate_pem="certificate",
            key=self._sealed_once("broker"),
        )

    def _sealed_once(self, name: str) -> SealedSecret:
        """The same bytes each time: an unchanged spec must compare equal."""
        kept: dict[str, SealedSecret] = self.__dict__.setdefault("_sealed", {})
        return kept.setdefault(name, self.sealed(f"key of {name}".encode()))

    def spec(self, *clusters: ClusterSpec, generation: int | None = None) -> NodeSpec:
        self.generation = generation or self.generation + 1
        return NodeSpec(node_id=self.node_id, generation=self.generation, clusters=list(clusters))

    def run(self, scenario: Callable[[NodeAgent], Awaitable[None]], stop: bool = True) -> None:
        """Run an agent on the directory for the scenario; `stop` ends its brokers afterwards."""
        asyncio.run(self._run(scenario, stop))

    async def _run(self, scenario: Callable[[NodeAgent], Awaitable[None]], stop: bool) -> None:
        with ThreadPoolExecutor(2) as threads:
            agent = NodeAgent(self._node(threads))
            agent.start()
            try:
                await scenario(agent)
            finally:
                await agent.stop(stop)

    def _node(self, threads: ThreadPoolExecutor) -> Node:
        config = AgentConfig(
            data_dir=self.root,
            control_plane_url="http://127.0.0.1:1",
            name="node-1",
            advertised_host="127.0.0.1",
            ports=self.ports,
            limits=self.limits,
        )
        return Node(
            config=config,
            node_id=self.node_id,
            storage=self.storage,
            keys=self.keys,
            ports=PortBook(config.ports, config.bind_host),
            samples=SampleQueue(SampleNumbers(self.storage, now_ms()), 1000),
            engines={"embedded": ScriptedEngine()},
            connect_admin=lambda access: self.admin,
            threads=threads,
            now_ms=now_ms,
        )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def only_cluster(agent: NodeAgent) -> ClusterStatus:
    (cluster,) = agent.report().clusters
    return cluster


def is_applied(agent: NodeAgent, generation: int) -> bool:
    clusters = agent.report().clusters
    return bool(clusters) and all(
        cluster.phase == "ready" and cluster.observed_generation == generation
        for cluster in clusters
    )


def condition_of(agent: NodeAgent, name: str) -> str:
    """`reason` of a condition, or an empty text where it is not listed."""
    found = [each for each in only_cluster(agent).conditions if each.name == name]
    return found[0].reason if found else ""


def said_of(agent: NodeAgent, name: str) -> str:
    """`message` of a condition, or an empty text where it is not listed."""
    found = [each for each in only_cluster(agent).conditions if each.name == name]
    return found[0].message if found else ""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[TestNode]:
    made = TestNode(tmp_path / "agent")
    yield made
    end_brokers(made.storage)


def end_brokers(storage: Storage) -> None:
    """End what a failed test left running: known by this directory in the command line."""
    markers = {str(broker.config / "broker.json") for broker in storage.brokers()}
    for identity in find_by_marker(markers).values():
        send(identity, signal.SIGKILL)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator["AgentProcess"]:
    from tests.integration.agent.processes import AgentProcess

    process = AgentProcess(tmp_path / "agent")
    yield process
    if process.is_running():
        process.kill()
    end_brokers(process.storage)
