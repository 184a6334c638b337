"""Exactly-once with nothing but an add-on's config vars: commit, abort, read_committed."""

import uuid

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from control_plane.cli.kafka_client import settings_from_config_vars
from tests.e2e.service import ServiceUnderTest

pytestmark = pytest.mark.timeout(180)


def test_a_tenant_runs_transactions(service: ServiceUnderTest) -> None:
    service.up()
    service.sign_up()
    service.ottla("apps:create", "flights")
    service.ottla("addons:create", "ottla-kafka:mini-0", "--wait")
    service.ottla("kafka:topics:create", "orders", "--partitions", "1")
    settings = settings_from_config_vars(service.ottla("config"))

    producer = Producer({**settings, "transactional.id": "orders-1"})
    producer.init_transactions(30)
    for outcome in ("committed", "aborted", "committed too"):
        producer.begin_transaction()
        producer.produce("orders", outcome)
        if outcome == "aborted":
            producer.flush(30)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)

    consumer = Consumer(
        {
            **settings,
            "group.id": str(uuid.uuid4()),
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition("orders", 0, 0)])
    values = []
    while (message := consumer.poll(30)) is not None and message.error() is None:
        values.append(message.value())
    consumer.close()
    assert values == [b"committed", b"committed too"]
