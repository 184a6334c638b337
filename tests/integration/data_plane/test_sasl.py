"""SASL/SCRAM through real clients: users come and go, sessions renew, who takes too much waits."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewTopic

from tests.fakes.certificates import CertificateAuthority
from tests.integration.data_plane.broker_process import (
    BrokerProcess,
    RawClient,
    free_port,
    wait_until,
)
from tests.integration.data_plane.kafka_clients import consume

CLUSTER_ID = "6b4a1c3e-5c8b-4b53-9d55-0d3a1f6f2a10"
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
PASSWORD = "correct horse, battery=staple"
SESSION_MS = 1_500


@dataclass(frozen=True)
class Secured:
    """A broker with a mTLS listener for its admin and a SASL_SSL one for everybody."""

    admin: AdminClient
    admin_address: str
    sasl_port: int
    plain_port: int
    folder: Path

    @property
    def sasl_address(self) -> str:
        return f"localhost:{self.sasl_port}"

    @property
    def ca_file(self) -> str:
        return str(self.folder / "ca.crt")

    def settings(
        self, user: str, mechanism: str = MECHANISMS[0], password: str = PASSWORD
    ) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.sasl_address,
            "security.protocol": "sasl_ssl",
            "ssl.ca.location": self.ca_file,
            "ssl.endpoint.identification.algorithm": "https",
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "sasl.password": password,
        }

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("sasl")
    authority = CertificateAuthority()
    pairs = {"server": authority.server(), "admin": authority.client("admin", CLUSTER_ID)}
    for name, pair in pairs.items():
        (folder / f"{name}.crt").write_text(pair.certificate_pem)
        (folder / f"{name}.key").write_text(pair.key_pem)
    (folder / "ca.crt").write_text(authority.certificate_pem)
    tls = {
        "certificate_file": str(folder / "server.crt"),
        "key_file": str(folder / "server.key"),
    }
    sasl = {"mechanisms": list(MECHANISMS)}
    ports = free_port(), free_port()
    listeners = [
        {
            "name": "ADMIN",
            "advertised_host": "localhost",
            "tls": {**tls, "client_ca_file": str(folder / "ca.crt")},
        },
        {
            "name": "SASL_SSL",
            "port": ports[0],
            "advertised_host": "localhost",
            "tls": tls,
            "sasl": sasl,
        },
        {"name": "SASL_PLAINTEXT", "port": ports[1], "sasl": sasl},
    ]
    config = {
        "data_dir": str(folder / "data"),
        "cluster_id": CLUSTER_ID,
        "listeners": listeners,
        "super_users": [f"User:CN=admin,O={CLUSTER_ID}"],
        "static_configs": {
            "group.initial.rebalance.delay.ms": "0",
            "connections.max.reauth.ms": str(SESSION_MS),
        },
    }
    (folder / "broker.json").write_text(json.dumps(config))
    process = BrokerProcess("--config", str(folder / "broker.json"), port=None)
    address = f"localhost:{process.port}"
    made = Secured(admin_of(address, folder), address, *ports, folder)
    try:
        made.admin.create_topics([NewTopic("flights", 1, 1)])["flights"].result(10)
        add_user(made, "app")
        allow(made, "User:app")
        yield made
    finally:
        assert process.stop() == 0


def admin_of(address: str, folder: Path) -> AdminClient:
    return AdminClient(
        {
            "bootstrap.servers": address,
            "security.protocol": "ssl",
            "ssl.ca.location": str(folder / "ca.crt"),
            "ssl.certificate.location": str(folder / "admin.crt"),
            "ssl.key.location": str(folder / "admin.key"),
            "ssl.endpoint.identification.algorithm": "https",
        }
    )


def add_user(secured: Secured, name: str, password: str = PASSWORD) -> None:
    """The same user by both mechanisms."""
    admin = secured.admin
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        upsertion = UserScramCredentialUpsertion(
            name, ScramCredentialInfo(mechanism, 4096), password.encode()
        )
        admin.alter_user_scram_credentials([upsertion])[name].result(10)


def allow(secured: Secured, principal: str) -> None:
    bindings = [
        AclBinding(
            kind,
            name,
            ResourcePatternType.LITERAL,
            principal,
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for kind, name, operation in [
            (ResourceType.TOPIC, "flights", AclOperation.READ),
            (ResourceType.TOPIC, "flights", AclOperation.WRITE),
            (ResourceType.GROUP, "*", AclOperation.READ),
        ]
    ]
    for future in secured.admin.create_acls(bindings).values():
        future.result(10)


def produced(settings: dict[str, Any], value: bytes, **more: Any) -> list[int | None]:
    """Error codes of one delivery; None: written."""
    codes: list[int | None] = []
    producer = Producer({**settings, "message.timeout.ms": 8_000, **more})
    producer.produce(
        "flights", value, on_delivery=lambda e, _: codes.append(e.code() if e else None)
    )
    producer.flush(10)
    return codes


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_librdkafka_writes_and_reads(secured: Secured, mechanism: str) -> None:
    settings = secured.settings("app", mechanism)
    value = f"librdkafka {mechanism}".encode()
    assert produced(settings, value, **{"enable.idempotence": True}) == [None]
    group = {"group.id": f"rd-{mechanism}", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, **group})
    consumer.subscribe(["flights"])
    try:
        found: list[bytes | None] = []

        def has_come() -> bool:
            found.extend(message.value() for message in consume(consumer, 1, 0.5))
            return value in found

        wait_until(has_come, "the record")
    finally:
        consumer.close()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_kafka_python_writes_and_reads(secured: Secured, mechanism: str) -> None:
    from kafka import KafkaConsumer, KafkaProducer

    settings = {
        "bootstrap_servers": secured.sasl_address,
        "security_protocol": "SASL_SSL",
        "ssl_context": secured.context(),
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "app",
        "sasl_plain_password": PASSWORD,
    }
    value = f"kafka-python {mechanism}".encode()
    producer = KafkaProducer(**settings)
    producer.send("flights", value).get(10)
    producer.close()
    consumer = KafkaConsumer(
        "flights",
        **settings,
        group_id=f"kp-{mechanism}",
        auto_offset_reset="earliest",
        consumer_timeout_ms=10_000,
    )
    try:
        assert any(message.value == value for message in consumer)
    finally:
        consumer.close()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_aiokafka_writes_and_reads(secured: Secured, mechanism: str) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    value = f"aiokafka {mechanism}".encode()

    async def whole() -> bool:
        settings = {
            "bootstrap_servers": secured.sasl_address,
            "security_protocol": "SASL_SSL",
            "ssl_context": secured.context(),
            "sasl_mechanism": mechanism,
            "sasl_plain_username": "app",
            "sasl_plain_password": PASSWORD,
        }
        async with AIOKafkaProducer(**settings) as producer:
            await producer.send_and_wait("flights", value)
        consumer = AIOKafkaConsumer(
            "flights", **settings, group_id=f"ai-{mechanism}", auto_offset_reset="earliest"
        )
        async with consumer:
            async for message in consumer:
                if message.value == value:
                    return True
        return False

    assert asyncio.run(asyncio.wait_for(whole(), 20))


def test_a_user_is_let_in_once_added_and_no_longer_once_removed(secured: Secured) -> None:
    settings = secured.settings("guest")
    with pytest.raises(KafkaException):
        AdminClient(settings).list_topics(timeout=2)
    add_user(secured, "guest")
    assert not AdminClient(settings).list_topics(timeout=10).topics, "nothing is allowed yet"
    wrong = secured.settings("guest", password="guessed")
    with pytest.raises(KafkaException):
        AdminClient(wrong).list_topics(timeout=2)
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        deletion = UserScramCredentialDeletion("guest", mechanism)
        secured.admin.alter_user_scram_credentials([deletion])["guest"].result(10)
    with pytest.raises(KafkaException):
        AdminClient(settings).list_topics(timeout=2)


def test_a_changed_password_replaces_the_old_one(secured: Secured) -> None:
    add_user(secured, "changing", "first")
    add_user(secured, "changing", "second")
    with pytest.raises(KafkaException):
        AdminClient(secured.settings("changing", password="first")).list_topics(timeout=2)
    AdminClient(secured.settings("changing", password="second")).list_topics(timeout=10)


@pytest.mark.semantics("87b")
def test_a_client_that_renews_its_session_goes_on_over_several(secured: Secured) -> None:
    """librdkafka renews by itself (KIP-368); one connection outlives four sessions."""
    errors: list[Any] = []
    codes: list[int | None] = []
    producer = Producer({**secured.settings("app"), "error_cb": errors.append, "linger.ms": 0})
    for number in range(4 * SESSION_MS // 250):
        producer.produce(
            "flights",
            f"renewed {number}".encode(),
            on_delivery=lambda e, _: codes.append(e.code() if e else None),
        )
        producer.flush(5)
        producer.poll(0.25)
    assert codes == [None] * (4 * SESSION_MS // 250)
    assert errors == []


def test_the_users_of_the_cluster_are_described_without_their_keys(secured: Secured) -> None:
    described = secured.admin.describe_user_scram_credentials(["app", "nobody"])
    assert isinstance(described, dict)
    infos = described["app"].result(10).scram_credential_infos
    assert {info.mechanism.name for info in infos} == {"SCRAM_SHA_256", "SCRAM_SHA_512"}
    with pytest.raises(KafkaException, match="does not exist"):
        described["nobody"].result(10)


@pytest.mark.parametrize(
    "frame",
    [
        bytes.fromhex("000300000000000100000000000000"),  # Metadata v0
        bytes.fromhex("00000003") + bytes(20),  # Produce
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_nothing_is_served_before_authentication(secured: Secured, frame: bytes) -> None:
    with RawClient("127.0.0.1", secured.plain_port) as client:
        client.send(frame)
        assert client.is_closed_by_broker()


def test_a_large_frame_before_authentication_closes_at_its_size(secured: Secured) -> None:
    """F3: 64 KB at most; the claim alone is enough, its bytes are not waited for."""
    with RawClient("127.0.0.1", secured.plain_port) as client:
        client.socket.sendall((64 * 1024 + 1).to_bytes(4, "big"))
        assert client.is_closed_by_broker()


@pytest.mark.semantics("94a")
def test_a_mute_client_is_not_waited_for_by_others(secured: Secured) -> None:
    """A quota mutes the connection that exceeds it; throttle times reach the client (KIP-219)."""
    add_user(secured, "greedy")
    allow(secured, "User:greedy")
    limit(secured, "greedy", 20_000)
    throttled: list[float] = []
    producer = Producer(
        {
            **secured.settings("greedy"),
            "throttle_cb": lambda event: throttled.append(event.throttle_time),
            "linger.ms": 0,
        }
    )
    for _ in range(3):
        producer.produce("flights", bytes(100_000))
        producer.flush(15)
    wait_until(lambda: producer.poll(0.1) is not None and throttled, "a throttle time")
    assert produced(secured.settings("app"), b"meanwhile") == [None]


def limit(secured: Secured, user: str, bytes_per_s: int) -> None:
    """AlterClientQuotas, for which no client's admin has a method, through our own codec."""
    from data_plane.protocol.headers import RequestHeader, encode_request_header
    from data_plane.protocol.messages.alter_client_quotas import (
        AlterClientQuotasRequest,
        AlterClientQuotasRequestEntity,
        AlterClientQuotasRequestEntry,
        AlterClientQuotasRequestOp,
        AlterClientQuotasResponse,
    )
    from data_plane.protocol.schema import decode, encode

    entry = AlterClientQuotasRequestEntry(
        [AlterClientQuotasRequestEntity("user", user)],
        [AlterClientQuotasRequestOp("producer_byte_rate", float(bytes_per_s))],
    )
    body = encode_request_header(RequestHeader(49, 0, 1, "test"))
    context = secured.context()
    context.load_cert_chain(secured.folder / "admin.crt", secured.folder / "admin.key")
    client = RawClient(*address_of(secured.admin_address))
    client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
    with client:
        client.send(body + encode(AlterClientQuotasRequest([entry]), 0))
        answer = decode(AlterClientQuotasResponse, 0, client.receive()[4:])
    assert [row.error_code for row in answer.entries] == [0]


def address_of(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)
