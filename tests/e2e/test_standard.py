"""A plan of three brokers, bought and used as any other; one broker dies on the way."""

import signal

import confluent_kafka
import pytest

from tests.conftest import wait_for
from tests.e2e.service import ServiceUnderTest

pytestmark = pytest.mark.timeout(240)
RECORDS = 200


def test_three_brokers_serve_through_the_death_of_one(service: ServiceUnderTest) -> None:
    service.up()
    service.sign_up()
    service.ottla("apps:create", "flights")
    addon = service.ottla("addons:create", "ottla-kafka:standard-0", "--wait")
    assert addon["state"] == "provisioned"
    service.ottla("kafka:topics:create", "orders", "--partitions", "3")
    info = service.ottla("kafka:info")
    assert info["partition_replica_count"] == 9
    config = service.ottla("config")
    addresses = [url.removeprefix("kafka+ssl://") for url in config["KAFKA_URL"].split(",")]
    assert len(set(addresses)) == len(service.brokers()) == 3
    client = {
        "bootstrap.servers": ",".join(addresses),
        "security.protocol": "ssl",
        "ssl.ca.pem": config["KAFKA_TRUSTED_CERT"],
        "ssl.certificate.pem": config["KAFKA_CLIENT_CERT"],
        "ssl.key.pem": config["KAFKA_CLIENT_CERT_KEY"],
        "log_level": 0,
    }
    assert produced(client, range(RECORDS)) == []
    victim = service.brokers()[0]
    victim.send_signal(signal.SIGKILL)
    assert produced(client, range(RECORDS, 2 * RECORDS)) == []
    wait_for(
        lambda: (
            len(service.brokers()) == 3
            and victim.pid not in [each.pid for each in service.brokers()]
        ),
        "another process in its place",
        60,
    )
    assert consumed(client, 2 * RECORDS) == {str(number).encode() for number in range(2 * RECORDS)}
    service.ottla("addons:destroy", "--confirm", addon["name"], "--wait")
    assert service.brokers() == []


def produced(client: dict[str, object], numbers: range) -> list[str]:
    """Produce with acks=all; returns the errors' names."""
    errors: list[str] = []
    producer = confluent_kafka.Producer(
        client | {"enable.idempotence": True, "message.timeout.ms": 60_000}
    )

    def note(error: confluent_kafka.KafkaError | None, _: object) -> None:
        if error is not None:
            errors.append(error.name())

    for number in numbers:
        producer.produce("orders", str(number).encode(), key=str(number), on_delivery=note)
    return errors + ["unsent"] * producer.flush(60)


def consumed(client: dict[str, object], count: int) -> set[bytes]:
    """Read with a new group until `count` records have come; fails the test if they do not."""
    consumer = confluent_kafka.Consumer(
        client | {"group.id": "readers", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["orders"])
    values: set[bytes] = set()

    def has_all() -> bool:
        for message in consumer.consume(count, 0.2):
            if message.error() is None:
                values.add(message.value() or b"")
        return len(values) >= count

    try:
        wait_for(has_all, "the records", 60)
    finally:
        consumer.close()
    return values
