"""The agent with the real embedded broker over mTLS: from a spec to clients, allowed and not."""

import asyncio
import gc
import os
import signal
import socket
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import confluent_kafka
import pytest
from cryptography import x509

from data_plane.agent.admin_state import ObservedTopic
from data_plane.agent.engines.embedded import EmbeddedEngine
from data_plane.agent.kafka_admin import AdminAccess, KafkaAdmin
from data_plane.agent.node import Node
from data_plane.agent.node_agent import NodeAgent
from data_plane.agent.ports import kept_ports
from data_plane.contract.spec import AclSpec, ClusterSpec, PrincipalSpec, TopicSpec
from tests.fakes.certificates import CertificateAuthority, Pair
from tests.integration.agent.conftest import TestNode, end_brokers, is_applied, only_cluster, until

TOPIC_OPERATIONS = ("READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS")
SECONDS_MAX = 20.0


@dataclass
class RealCluster(TestNode):
    """One cluster with certificates of its own, and clients of it."""

    authority: CertificateAuthority = field(default_factory=CertificateAuthority)
    agent_name: str = "agent"  # in its principal

    def __post_init__(self) -> None:
        super().__post_init__()
        self._server = self.authority.server()
        self._agent = self.authority.client(self.agent_name, self.cluster_id)
        self._sealed_server = self.sealed(self._server.key_pem.encode())
        self._sealed_agent = self.sealed(self._agent.key_pem.encode())

    def principal(self, name: str) -> str:
        return f"User:CN={name},O={self.cluster_id}"

    def grants(self, name: str) -> PrincipalSpec:
        acls = [
            AclSpec(resource_type="TOPIC", resource_name="*", operation=each)
            for each in TOPIC_OPERATIONS
        ] + [AclSpec(resource_type="GROUP", resource_name="*", operation="READ")]
        return PrincipalSpec(name=self.principal(name), acls=acls)

    def cluster(self, generation: int = 1, **changes: object) -> ClusterSpec:
        broker = self.broker().model_copy(
            update={"certificate_pem": self._server.certificate_pem, "key": self._sealed_server}
        )
        values = {
            "trusted_ca_pem": self.authority.certificate_pem,
            "admin_certificate_pem": self._agent.certificate_pem,
            "admin_key": self._sealed_agent,
            "admin_principal": self.principal(self.agent_name),
            "brokers": [broker],
            "broker_configs": {"group.initial.rebalance.delay.ms": "0"},
        }
        return super().cluster(generation, **(values | changes))

    def _node(self, threads: ThreadPoolExecutor) -> Node:
        return replace(
            super()._node(threads),
            engines={"embedded": EmbeddedEngine()},
            connect_admin=KafkaAdmin,
        )

    def client(self, pair: Pair, port: int) -> dict[str, object]:
        """librdkafka's settings from what a config var set holds; host name verification on."""
        return {
            "bootstrap.servers": f"127.0.0.1:{port}",
            "security.protocol": "ssl",
            "ssl.ca.pem": self.authority.certificate_pem,
            "ssl.certificate.pem": pair.certificate_pem,
            "ssl.key.pem": pair.key_pem,
            "ssl.endpoint.identification.algorithm": "https",
            "socket.timeout.ms": 5000,
            "message.timeout.ms": 5000,
        }


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealCluster]:
    made = RealCluster(tmp_path / "agent")
    yield made
    end_brokers(made.storage)


def produce(settings: dict[str, object], topic: str, values: list[bytes]) -> list[str]:
    """Produce with acks=all; returns the errors' names."""
    errors: list[str] = []
    producer = confluent_kafka.Producer(settings | {"enable.idempotence": True})
    for value in values:
        producer.produce(
            topic,
            value,
            on_delivery=lambda error, _: note(errors, error),
        )
    left = producer.flush(SECONDS_MAX)
    return errors + ["unsent"] * left


def note(errors: list[str], error: confluent_kafka.KafkaError | None) -> None:
    if error is not None:
        errors.append(error.name())


def consume(settings: dict[str, object], topic: str, count: int) -> list[bytes]:
    """Read `count` records in a new group; an error's name ends the reading."""
    consumer = confluent_kafka.Consumer(
        {k: v for k, v in settings.items() if k != "message.timeout.ms"}
        | {"group.id": f"g-{uuid.uuid4()}", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    values: list[bytes] = []
    deadline = time.monotonic() + SECONDS_MAX
    try:
        while len(values) < count and time.monotonic() < deadline:
            message = consumer.poll(0.1)
            if message is None:
                continue
            if (error := message.error()) is not None:
                return [*values, error.name().encode()]
            values.append(message.value() or b"")
    finally:
        consumer.close()
    return values


def port_of(agent: NodeAgent) -> int:
    port = only_cluster(agent).brokers[0].port
    assert port is not None
    return port


def test_credentials_in_the_spec_may_and_others_may_not(real: RealCluster) -> None:
    app = real.authority.client("app", real.cluster_id)
    other = real.authority.client("other", real.cluster_id)
    stranger = CertificateAuthority().client("app", real.cluster_id)
    values = [f"record {number}".encode() for number in range(100)]
    topics = [
        TopicSpec(
            name="flights",
            partition_count=8,
            replication_factor=1,
            configs={"retention.ms": "86400000"},
        )
    ]

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(real.spec(real.cluster(topics=topics, principals=[real.grants("app")])))
        await until(lambda: is_applied(agent, 1))
        status = only_cluster(agent)
        assert [(t.name, t.partition_count, t.error) for t in status.topics] == [("flights", 8, "")]
        port = port_of(agent)
        client = real.client(app, port)
        assert await asyncio.to_thread(produce, client, "flights", values) == []
        read = await asyncio.to_thread(consume, client, "flights", 100)
        assert sorted(read) == sorted(values)
        denied = await asyncio.to_thread(produce, real.client(other, port), "flights", [b"x"])
        assert denied == ["TOPIC_AUTHORIZATION_FAILED"]
        foreign = real.client(stranger, port) | {"message.timeout.ms": 1000, "log_level": 0}
        unknown = await asyncio.to_thread(produce, foreign, "flights", [b"x"])
        assert unknown == ["_MSG_TIMED_OUT"]
        # The principal leaves the spec: its certificate is still valid, and worth nothing.
        agent.accept(real.spec(real.cluster(2, topics=topics, principals=[real.grants("other")])))
        await until(lambda: is_applied(agent, 2))
        revoked = await asyncio.to_thread(produce, client, "flights", [b"x"])
        assert revoked == ["TOPIC_AUTHORIZATION_FAILED"]
        allowed = await asyncio.to_thread(produce, real.client(other, port), "flights", [b"x"])
        assert allowed == []

    real.run(scenario)


def test_topics_follow_the_spec(real: RealCluster) -> None:
    def topic(name: str, count: int, **configs: str) -> TopicSpec:
        named = {key.replace("_", "."): value for key, value in configs.items()}
        return TopicSpec(name=name, partition_count=count, replication_factor=1, configs=named)

    async def scenario(agent: NodeAgent) -> None:
        first = [topic("a", 1, retention_ms="1000"), topic("b", 1)]
        agent.accept(real.spec(real.cluster(1, topics=first)))
        await until(lambda: is_applied(agent, 1))
        second = [topic("a", 4, retention_ms="2000", max_message_bytes="5000"), topic("c", 2)]
        agent.accept(real.spec(real.cluster(2, topics=second)))
        await until(lambda: is_applied(agent, 2))
        held = await asyncio.to_thread(observed, real)
        assert {name: (t.partition_count, dict(t.configs)) for name, t in held.items()} == {
            "a": (4, {"retention.ms": "2000", "max.message.bytes": "5000"}),
            "c": (2, {}),
        }
        agent.accept(real.spec(real.cluster(3, topics=[topic("a", 4), topic("c", 2)])))
        await until(lambda: is_applied(agent, 3))
        held = await asyncio.to_thread(observed, real)
        assert dict(held["a"].configs) == {}

    real.run(scenario)


def observed(real: RealCluster) -> Mapping[str, ObservedTopic]:
    admin = KafkaAdmin(access(real))
    try:
        return admin.topics()
    finally:
        admin.close()


def access(real: RealCluster) -> AdminAccess:
    (broker,) = real.storage.brokers()
    ports = kept_ports(broker)
    assert ports is not None
    files = real.storage.cluster(real.cluster_id).admin
    return AdminAccess(
        [f"127.0.0.1:{ports.admin}"],
        files / "client.crt",
        files / "client.key",
        files / "trusted_ca.crt",
    )


def test_drift_made_by_hand_is_repaired(real: RealCluster) -> None:
    """C8: a topic made, one deleted and an ACL added past the control plane are undone."""
    real.limits = replace(real.limits, admin_refresh_s=0.2)
    wanted = TopicSpec(name="kept", partition_count=1, replication_factor=1)

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(real.spec(real.cluster(topics=[wanted], principals=[real.grants("app")])))
        await until(lambda: is_applied(agent, 1))
        admin = await asyncio.to_thread(KafkaAdmin, access(real))
        try:
            stray = wanted.model_copy(update={"name": "stray"})
            await asyncio.to_thread(admin.create_topics, [stray])
            await asyncio.to_thread(admin.delete_topics, ["kept"])
            held = await asyncio.to_thread(admin.acls)
            await asyncio.to_thread(admin.delete_acls, sorted(held)[:1])
            deadline = time.monotonic() + SECONDS_MAX
            while True:
                names = set(await asyncio.to_thread(admin.topics))
                if names == {"kept"} and await asyncio.to_thread(admin.acls) == held:
                    break
                assert time.monotonic() < deadline, names
        finally:
            await asyncio.to_thread(admin.close)

    real.run(scenario)


def test_quotas_follow_the_spec(real: RealCluster) -> None:
    """Through the Kafka protocol, and removed with their principal; others' are left alone."""
    quotas = {"producer_byte_rate": 64_000.0, "consumer_byte_rate": 256_000.0}

    async def scenario(agent: NodeAgent) -> None:
        app = real.grants("app").model_copy(update={"quotas": quotas})
        agent.accept(real.spec(real.cluster(1, principals=[app])))
        await until(lambda: is_applied(agent, 1))
        assert await asyncio.to_thread(held_quotas, real) == {real.principal("app"): quotas}
        less = real.grants("app").model_copy(update={"quotas": {"producer_byte_rate": 1_000.0}})
        agent.accept(real.spec(real.cluster(2, principals=[less, real.grants("other")])))
        await until(lambda: is_applied(agent, 2))
        assert await asyncio.to_thread(held_quotas, real) == {
            real.principal("app"): {"producer_byte_rate": 1_000.0}
        }
        agent.accept(real.spec(real.cluster(3, principals=[real.grants("other")])))
        await until(lambda: is_applied(agent, 3))
        assert await asyncio.to_thread(held_quotas, real) == {}

    real.run(scenario)


def held_quotas(real: RealCluster) -> Mapping[str, Mapping[str, float]]:
    admin = KafkaAdmin(access(real))
    try:
        return admin.quotas()
    finally:
        admin.close()


def test_a_reissued_certificate_is_served_without_a_restart(real: RealCluster) -> None:
    """Durability.md 8: names change, the certificate is reissued and reloaded.

    A client that is connected stays so: what it asks for afterwards comes by the same connection.
    """
    app = real.authority.client("app", real.cluster_id)
    reissued = real.authority.server("broker.example")
    topics = [TopicSpec(name="t", partition_count=1, replication_factor=1)]
    principals = [real.grants("app")]

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(real.spec(real.cluster(topics=topics, principals=principals)))
        await until(lambda: is_applied(agent, 1))
        port, pid = port_of(agent), only_cluster(agent).brokers[0].pid
        assert "broker.example" not in await asyncio.to_thread(served_names, real, port)
        connected = await asyncio.to_thread(tls_connection, real, app, port)
        broker = real.broker().model_copy(
            update={
                "certificate_pem": reissued.certificate_pem,
                "key": real.sealed(reissued.key_pem.encode()),
            }
        )
        second = real.cluster(2, topics=topics, principals=principals, brokers=[broker])
        agent.accept(real.spec(second))
        await until(lambda: is_applied(agent, 2))
        with connected:
            await until(
                lambda: "broker.example" in served_names(real, port), seconds_max=SECONDS_MAX
            )
            assert await asyncio.to_thread(answers, connected)
        assert only_cluster(agent).brokers[0].pid == pid
        assert only_cluster(agent).brokers[0].restarts == 0
        assert await asyncio.to_thread(produce, real.client(app, port), "t", [b"1"]) == []

    real.run(scenario)


def served_names(real: RealCluster, port: int) -> list[str]:
    """The host names in the certificate that a new connection is shown."""
    context = ssl.create_default_context(cadata=real.authority.certificate_pem)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    certificate = x509.load_der_x509_certificate(shown)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return names.value.get_values_for_type(x509.DNSName)


def tls_connection(real: RealCluster, pair: Pair, port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=real.authority.certificate_pem)
    file = real.storage.root / "client.pem"
    file.write_text(pair.certificate_pem + pair.key_pem)
    context.load_cert_chain(file)
    plain = socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX)
    return context.wrap_socket(plain, server_hostname="localhost")


def answers(connection: ssl.SSLSocket) -> bool:
    """Whether ApiVersions v0 is answered on it."""
    connection.sendall(bytes.fromhex("0000000a00120000000000010000"))
    return connection.recv(8)[4:] == bytes.fromhex("00000001")


def test_records_survive_a_killed_broker(real: RealCluster) -> None:
    app = real.authority.client("app", real.cluster_id)
    topics = [TopicSpec(name="t", partition_count=1, replication_factor=1)]

    async def scenario(agent: NodeAgent) -> None:
        agent.accept(real.spec(real.cluster(topics=topics, principals=[real.grants("app")])))
        await until(lambda: is_applied(agent, 1))
        client = real.client(app, port_of(agent))
        assert await asyncio.to_thread(produce, client, "t", [b"1", b"2"]) == []
        pid = only_cluster(agent).brokers[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: only_cluster(agent).brokers[0].restarts == 1)
        await until(lambda: only_cluster(agent).phase == "ready")
        assert await asyncio.to_thread(consume, client, "t", 2) == [b"1", b"2"]

    real.run(scenario)
    gc.collect()  # what that client left behind is to be found within this test


def test_times_are_printed(real: RealCluster) -> None:
    """Figures to print, not to assert: spec to ready and applied, one more topic to reported."""

    async def scenario(agent: NodeAgent) -> None:
        def topics(count: int) -> list[TopicSpec]:
            return [
                TopicSpec(name=f"t{number}", partition_count=8, replication_factor=1)
                for number in range(count)
            ]

        began = time.monotonic()
        agent.accept(real.spec(real.cluster(topics=topics(1), principals=[real.grants("app")])))
        await until(lambda: only_cluster(agent).phase == "ready")
        ready_s = time.monotonic() - began
        await until(lambda: is_applied(agent, 1))
        applied_s = time.monotonic() - began
        began = time.monotonic()
        agent.accept(real.spec(real.cluster(2, topics=topics(2), principals=[real.grants("app")])))
        await until(lambda: is_applied(agent, 2))
        topic_s = time.monotonic() - began
        print(
            f"spec to ready {ready_s:.3f} s, applied {applied_s:.3f} s, one topic {topic_s:.3f} s"
        )

    real.run(scenario)
