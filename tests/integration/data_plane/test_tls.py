"""Mutual TLS with real certificates: who gets in, and what they may do."""

import json
import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

from tests.fakes.certificates import CertificateAuthority, Pair
from tests.integration.data_plane import broker_process
from tests.integration.data_plane.kafka_clients import consume

CLUSTER_ID = "6b4a1c3e-5c8b-4b53-9d55-0d3a1f6f2a10"
ADMIN = f"User:CN=admin,O={CLUSTER_ID}"
APP = f"User:CN=app,O={CLUSTER_ID}"


@dataclass(frozen=True)
class Secured:
    """A broker whose only listener is TLS, and the CA that it trusts."""

    address: str
    authority: CertificateAuthority
    process: "broker_process.BrokerProcess"
    folder: Path  # of its certificate, its key and the CA that it trusts

    def settings(self, client: Pair) -> dict[str, Any]:
        """What librdkafka needs, host name verification on."""
        return {
            "bootstrap.servers": self.address,
            "security.protocol": "ssl",
            "ssl.ca.pem": self.authority.certificate_pem,
            "ssl.certificate.pem": client.certificate_pem,
            "ssl.key.pem": client.key_pem,
            "ssl.endpoint.identification.algorithm": "https",
        }

    def client(self, name: str) -> dict[str, Any]:
        return self.settings(self.authority.client(name, CLUSTER_ID))

    def is_refused(self, client: Pair | None, folder: Path) -> bool:
        """Ask for ApiVersions; under TLS 1.3 a client learns of its refusal only then."""
        try:
            return self._ask(client, folder) == b""
        except (ssl.SSLError, ConnectionResetError):
            return True

    def _ask(self, client: Pair | None, folder: Path) -> bytes:
        context = ssl.create_default_context(cadata=self.authority.certificate_pem)
        if client is not None:
            (folder / "client.pem").write_text(client.certificate_pem + client.key_pem)
            context.load_cert_chain(folder / "client.pem")
        host, _, port = self.address.rpartition(":")
        with (
            socket.create_connection((host, int(port)), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wrapped,
        ):
            wrapped.sendall(bytes.fromhex("0000000a00120000000000010000"))
            return wrapped.recv(4)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    yield from secured_broker(tmp_path_factory.mktemp("secured"))


def secured_broker(folder: Path) -> Iterator[Secured]:
    """A fixture's body: a broker with its files in `folder`."""
    authority = CertificateAuthority()
    server = authority.server()
    (folder / "server.crt").write_text(server.certificate_pem)
    (folder / "server.key").write_text(server.key_pem)
    (folder / "ca.crt").write_text(authority.certificate_pem)
    config = {
        "data_dir": str(folder / "data"),
        "cluster_id": CLUSTER_ID,
        "listeners": [
            {
                "name": "CLIENT",
                "advertised_host": "localhost",
                "tls": {
                    "certificate_file": str(folder / "server.crt"),
                    "key_file": str(folder / "server.key"),
                    "client_ca_file": str(folder / "ca.crt"),
                },
            }
        ],
        "super_users": [ADMIN],
        "static_configs": {"group.initial.rebalance.delay.ms": "0"},
    }
    (folder / "broker.json").write_text(json.dumps(config))
    process = broker_process.BrokerProcess("--config", str(folder / "broker.json"), port=None)
    yield Secured(f"localhost:{process.port}", authority, process, folder)
    assert process.stop() == 0


def test_an_admin_grants_and_an_app_uses_exactly_that(secured: Secured) -> None:
    admin = AdminClient(secured.client("admin"))
    admin.create_topics([NewTopic("granted", 1, 1)])["granted"].result(10)
    admin.create_topics([NewTopic("withheld", 1, 1)])["withheld"].result(10)
    bindings = [
        AclBinding(kind, name, ResourcePatternType.LITERAL, APP, "*", operation, allow)
        for allow in [AclPermissionType.ALLOW]
        for kind, name, operation in [
            (ResourceType.TOPIC, "granted", AclOperation.READ),
            (ResourceType.TOPIC, "granted", AclOperation.WRITE),
            (ResourceType.GROUP, "app", AclOperation.READ),
        ]
    ]
    for future in admin.create_acls(bindings).values():
        future.result(10)

    producer = Producer({**secured.client("app"), "enable.idempotence": True})
    assert outcome(producer, "granted") is None
    assert outcome(producer, "withheld") == KafkaError.TOPIC_AUTHORIZATION_FAILED

    consumer = Consumer(
        {**secured.client("app"), "group.id": "app", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["granted"])
    assert [message.value() for message in consume(consumer, 1)] == [b"x"]
    consumer.close()

    stranger = Consumer({**secured.client("app"), "group.id": "not granted"})
    stranger.subscribe(["granted"])
    message = stranger.poll(10)
    error = None if message is None else message.error()
    assert error is not None
    assert error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    stranger.close()


def outcome(producer: Producer, topic: str) -> int | None:
    """The error code of producing one record, None where it is acknowledged.

    librdkafka tells a refusal by the delivery report, or at once if it has the metadata by then.
    """
    codes: list[int | None] = []
    try:
        producer.produce(
            topic, b"x", on_delivery=lambda error, _: codes.append(error.code() if error else None)
        )
    except KafkaException as refused:
        code: int = refused.args[0].code()
        return code
    producer.flush(15)
    (only,) = codes
    return only


def test_metadata_names_the_advertised_host(secured: Secured) -> None:
    listed = AdminClient(secured.client("admin")).list_topics(timeout=10)
    assert [broker.host for broker in listed.brokers.values()] == ["localhost"]
    assert listed.cluster_id == CLUSTER_ID


def test_a_certificate_of_the_cluster_gets_an_answer(secured: Secured, tmp_path: Path) -> None:
    assert not secured.is_refused(secured.authority.client("app", CLUSTER_ID), tmp_path)


def test_a_certificate_of_another_ca_is_refused(secured: Secured, tmp_path: Path) -> None:
    foreign = CertificateAuthority("another cluster's CA").client("app", CLUSTER_ID)
    assert secured.is_refused(foreign, tmp_path)


def test_no_certificate_is_refused(secured: Secured, tmp_path: Path) -> None:
    assert secured.is_refused(None, tmp_path)


def test_a_certificate_of_our_ca_for_another_cluster_is_refused(
    secured: Secured, tmp_path: Path
) -> None:
    """One trust file too many must not let the clients of one cluster into another."""
    other = secured.authority.client("app", "00000000-0000-0000-0000-000000000000")
    assert secured.is_refused(other, tmp_path)


def test_plaintext_on_a_tls_listener_is_refused(secured: Secured) -> None:
    with broker_process.RawClient("127.0.0.1", secured.process.port) as client:
        client.send(bytes.fromhex("00120000000000010000"))
        assert client.receive()[:4] != bytes.fromhex("00000001"), "no Kafka answer in the clear"


def served_certificate(secured: Secured) -> str:
    """What the broker shows to whoever connects, before it has seen a client certificate."""
    return ssl.get_server_certificate(("127.0.0.1", secured.process.port), timeout=10).strip()


def test_sighup_reads_certificates_anew_and_keeps_the_old_if_they_are_bad(
    secured: Secured, tmp_path: Path
) -> None:
    """Clients that are connected stay; a file half written must not take the listener down."""
    app = AdminClient(secured.client("admin"))
    app.list_topics(timeout=10)
    before = served_certificate(secured)
    renewed = secured.authority.server()
    certificate_file = secured.folder / "server.crt"
    certificate_file.write_text(renewed.certificate_pem[:200])
    secured.process.process.send_signal(signal.SIGHUP)
    assert served_certificate(secured) == before
    certificate_file.write_text(renewed.certificate_pem)
    (secured.folder / "server.key").write_text(renewed.key_pem)
    secured.process.process.send_signal(signal.SIGHUP)
    broker_process.wait_until(
        lambda: served_certificate(secured) == renewed.certificate_pem.strip(),
        "the new certificate",
    )
    assert app.list_topics(timeout=10).brokers.keys() == {0}
    assert not secured.is_refused(secured.authority.client("app", CLUSTER_ID), tmp_path)
