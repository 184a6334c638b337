"""A node agent in memory: applies whatever spec it finds, says so in a report."""

import base64
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from data_plane.contract.metrics import MetricSample
from data_plane.contract.report import (
    BrokerStatus,
    ClusterStatus,
    Condition,
    NodeRegistration,
    NodeReport,
    TopicStatus,
)
from data_plane.contract.spec import BrokerSpec, ClusterSpec, NodeSpec


@dataclass
class ScriptedAgent:
    """What it believes is `spec`; faults are fields that tests set."""

    name: str = "node-1"
    host: str = "127.0.0.1"
    port_first: int = 20_000
    port_last: int = 20_099
    rack: str | None = None
    node_id: str = ""
    spec: NodeSpec | None = None
    topic_error: str = ""  # said of every topic, none of which is then made
    broker_problem: str = ""  # brokers never become ready, for this reason
    has_no_ports: bool = False  # none is left for brokers of other nodes
    wanting: set[int] = field(default_factory=set)  # brokers that wait for a turn
    is_silent: bool = False
    dead: set[int] = field(default_factory=set)  # brokers that the cluster does not hear
    version: str = ""  # of its software
    running: str = ""  # what its brokers run
    roll_problem: str = ""  # brokers stay with what they run, for this reason
    has_given_up: bool = False  # with a broker problem: nothing is tried any more
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    sealing: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    samples: list[MetricSample] = field(default_factory=list)

    def registration(self) -> NodeRegistration:
        return NodeRegistration(
            name=self.name,
            signing_public_key=_text(self.signing.public_key().public_bytes_raw()),
            sealing_public_key=_text(self.sealing.public_key().public_bytes_raw()),
            advertised_host=self.host,
            port_first=self.port_first,
            port_last=self.port_last,
            rack=self.rack,
        )

    def accept(self, spec: NodeSpec | None) -> None:
        if spec is not None:
            assert self.spec is None or spec.generation > self.spec.generation
            self.spec = spec

    def report(self) -> NodeReport:
        samples, self.samples = self.samples, []
        return NodeReport(
            node_id=self.node_id,
            observed_generation=self.spec.generation if self.spec else 0,
            agent_version=self.version,
            clusters=[self._status(cluster) for cluster in self.spec.clusters] if self.spec else [],
            samples=samples,
        )

    def _status(self, spec: ClusterSpec) -> ClusterStatus:
        if spec.desired == "absent":
            return ClusterStatus(
                cluster_id=spec.cluster_id, observed_generation=spec.generation, phase="absent"
            )
        is_stuck = bool(self.broker_problem)
        if spec.brokers and all(broker.is_candidate for broker in spec.brokers):
            return ClusterStatus(
                cluster_id=spec.cluster_id,
                observed_generation=0,
                phase="pending",
                brokers=[self._broker(spec, broker) for broker in spec.brokers],
            )
        if spec.software_version in ("", self.version) and not self.roll_problem:
            self.running = self.version
        return ClusterStatus(
            cluster_id=spec.cluster_id,
            observed_generation=0 if is_stuck or self.topic_error else spec.generation,
            phase=("failed" if self.has_given_up else "starting") if is_stuck else "ready",
            conditions=[
                Condition(
                    name="Ready",
                    status=not is_stuck,
                    reason="PortTaken" if is_stuck else "",
                    message=self.broker_problem,
                    since_ms=0,
                ),
                Condition(
                    name="Upgraded",
                    status=self.running == self.version,
                    message=self.roll_problem,
                    since_ms=0,
                ),
            ],
            brokers=[self._broker(spec, broker) for broker in spec.brokers],
            voters=[member.broker_id for member in spec.members][:3] if spec.members else None,
            out_of_sync_count=0 if spec.members else None,
            live_brokers=self._alive(spec),
            turn_done=spec.turn.number if spec.turn else 0,
            topics=[
                TopicStatus(
                    name=topic.name,
                    partition_count=0 if self.topic_error else topic.partition_count,
                    replication_factor=topic.replication_factor,
                    error=self.topic_error,
                )
                for topic in spec.topics
            ],
        )

    def _alive(self, spec: ClusterSpec) -> list[int] | None:
        """Of all nodes; a broker that has been moved lives again."""
        moved = {one.broker_id for one in spec.members if one.formed_as and one.internal_port}
        ids = {one.broker_id for one in spec.members}
        return sorted(ids - (self.dead - moved)) if ids else None

    def _broker(self, spec: ClusterSpec, broker: BrokerSpec) -> BrokerStatus:
        """Ports for peers are known as soon as a candidate is."""
        is_stuck = bool(self.broker_problem) or broker.is_candidate
        is_spread = spec.peers == "tls" and not self.has_no_ports
        peer_port = self.port_last - 2 * broker.broker_id
        return BrokerStatus(
            broker_id=broker.broker_id,
            phase="starting" if is_stuck else "ready",
            port=None if is_stuck else self.port_first + broker.broker_id,
            internal_port=peer_port if is_spread else None,
            quorum_port=peer_port - 1 if is_spread else None,
            wants_restart=broker.broker_id in self.wanting,
            software_version=self.running,
        )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
