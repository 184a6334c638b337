"""Brokers killed in the middle of a rebalance: the group goes on from what was journaled.

The phase is made to last by something that waits (a delay that is longer than the test, a member
that does not give up its partitions yet), and is seen in the group's state before the kill.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from tests.integration.data_plane.broker_process import BrokerProcess, free_port, wait_until
from tests.integration.data_plane.kafka_clients import create_topic, produce

PARTITIONS = 4
GROUP = "g"


class KilledBroker:
    """A broker on one directory and port, started again with other settings after a kill."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.process: BrokerProcess

    def start(self, **settings: str) -> None:
        config = {
            "data_dir": str(self._folder / "data"),
            "listeners": [{"name": "PLAINTEXT", "port": self._port}],
            "super_users": ["User:ANONYMOUS"],
            "static_configs": {"group.consumer.heartbeat.interval.ms": "100", **settings},
        }
        path = self._folder / "broker.json"
        path.write_text(json.dumps(config))
        self.process = BrokerProcess("--config", str(path), port=None)

    @property
    def address(self) -> str:
        return self.process.address

    def kill_and_start(self, **settings: str) -> None:
        self.process.kill()
        self.start(**settings)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KilledBroker]:
    made = KilledBroker(tmp_path)
    yield made
    if made.process.process.poll() is None:  # The test failed.
        made.process.kill()


def member(address: str, protocol: str) -> Consumer:
    settings = {
        "bootstrap.servers": address,
        "group.id": GROUP,
        "group.protocol": protocol,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    if protocol == "classic":
        settings |= {"session.timeout.ms": 10_000, "heartbeat.interval.ms": 200}
    consumer = Consumer(settings)
    consumer.subscribe(["t"])
    return consumer


def share(consumer: Consumer, read: list[bytes]) -> set[int]:
    message = consumer.poll(0.05)
    if message is not None:
        assert message.error() is None, message.error()
        read.append(message.value() or b"")
        consumer.commit(message=message, asynchronous=True)
    return {owned.partition for owned in consumer.assignment()}


def seen(address: str) -> tuple[str, int]:
    """The group's state and how many members it has; librdkafka has no names for new states."""
    admin = AdminClient({"bootstrap.servers": address})
    (future,) = admin.describe_consumer_groups([GROUP]).values()
    group = future.result(30)
    return group.state.name, len(group.members)


def expect_work(broker: KilledBroker, members: list[Consumer]) -> None:
    """Everybody has a share, all of the topic is shared, and what is written now is read."""
    read: list[bytes] = []

    def is_shared() -> bool:
        shares = [share(one, read) for one in members]
        owned = [at for one in shares for at in one]
        return all(shares) and sorted(owned) == list(range(PARTITIONS))

    wait_until(is_shared, "an even share after the kill")
    for partition in range(PARTITIONS):
        produce(broker.address, "t", [b"%d" % partition], partition)
    wait_until(lambda: is_shared() and len(set(read)) == PARTITIONS, "a record of each partition")
    for one in members:
        one.close()
    assert broker.process.stop() == 0


def test_a_kill_while_members_gather(broker: KilledBroker) -> None:
    """Their JoinGroup requests are parked, nothing of the group is in the log yet."""
    broker.start(**{"group.initial.rebalance.delay.ms": "600000"})
    create_topic(broker.address, "t", PARTITIONS)
    members = [member(broker.address, "classic") for _ in range(2)]

    def is_gathering() -> bool:
        for one in members:
            one.poll(0.01)
        return seen(broker.address)[0] == "PREPARING_REBALANCING"

    wait_until(is_gathering, "a group that gathers")
    broker.kill_and_start(**{"group.initial.rebalance.delay.ms": "0"})
    expect_work(broker, members)


@pytest.mark.semantics("64d")
def test_a_kill_while_a_member_gives_up_its_partitions(broker: KilledBroker) -> None:
    """The first member is not polled, so that it cannot give up what the second waits for."""
    broker.start()
    create_topic(broker.address, "t", PARTITIONS)
    first = member(broker.address, "consumer")
    nothing: list[bytes] = []
    wait_until(lambda: len(share(first, nothing)) == PARTITIONS, "the whole for the only member")
    second = member(broker.address, "consumer")

    def is_reconciling() -> bool:
        second.poll(0.01)
        return seen(broker.address) == ("UNKNOWN", 2)

    wait_until(is_reconciling, "a group that reconciles")
    broker.kill_and_start()
    wait_until(is_reconciling, "the same after the kill")
    expect_work(broker, [first, second])
