"""A living group goes over to KIP-848 and back, by real clients restarted one after the other.

Members are librdkafka consumers with `group.protocol` classic or consumer. At every step the topic
is shared whole, and at the end each record was read, none before what was committed.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, ConsumerGroupType
from confluent_kafka.admin import AdminClient

from tests.integration.data_plane.broker_process import BrokerProcess, free_port, wait_until
from tests.integration.data_plane.kafka_clients import create_topic, produce

PARTITIONS = 4
CLASSIC, CONSUMER = "classic", "consumer"
ASSIGNORS = ("range", "cooperative-sticky")  # one gives all up at each rebalance, one does not


def start(folder: Path, port: int = 0, **static_configs: str) -> BrokerProcess:
    config = {
        "data_dir": str(folder / "data"),
        "listeners": [{"name": "PLAINTEXT", "port": port}],
        "super_users": ["User:ANONYMOUS"],
        "static_configs": {
            "group.consumer.heartbeat.interval.ms": "100",
            "group.initial.rebalance.delay.ms": "0",
            **static_configs,
        },
    }
    (folder / "broker.json").write_text(json.dumps(config))
    return BrokerProcess("--config", str(folder / "broker.json"), port=None)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    running = start(tmp_path_factory.mktemp("migration"))
    yield running
    assert running.stop() == 0


class Member:
    """One consumer, what it has read, and where in each partition it stands."""

    def __init__(self, address: str, group: str, protocol: str, assignor: str) -> None:
        settings = {
            "bootstrap.servers": address,
            "group.id": group,
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
        if protocol == CLASSIC:
            settings["partition.assignment.strategy"] = assignor
            settings["heartbeat.interval.ms"] = 100
            settings["session.timeout.ms"] = 10_000
        self.consumer = Consumer(settings)
        self.consumer.subscribe([group])
        self.read: list[bytes] = []

    def share(self) -> set[int]:
        """Partitions it owns now; what it reads it commits at once."""
        message = self.consumer.poll(0.05)
        if message is not None:
            assert message.error() is None, message.error()
            self.read.append(message.value() or b"")
            self.consumer.commit(message=message, asynchronous=True)
        return {owned.partition for owned in self.consumer.assignment()}


def are_sharing(members: list[Member]) -> bool:
    shares = [member.share() for member in members]
    in_all = [partition for share in shares for partition in share]
    return all(shares) and sorted(in_all) == list(range(PARTITIONS))


def kind_of(address: str, group: str) -> ConsumerGroupType:
    admin = AdminClient({"bootstrap.servers": address})
    listed = admin.list_consumer_groups().result(30).valid
    kinds: dict[str, ConsumerGroupType] = {one.group_id: one.type for one in listed}
    return kinds[group]


@pytest.mark.semantics("64i")
@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_a_rolling_upgrade_and_back(broker: BrokerProcess, assignor: str) -> None:
    address, group = broker.address, f"rolling-{assignor}"
    create_topic(address, group, PARTITIONS)
    written = 0

    def write() -> None:
        nonlocal written
        for partition in range(PARTITIONS):
            produce(address, group, [b"%d" % (written + partition)], partition)
        written += PARTITIONS

    members = [Member(address, group, CLASSIC, assignor) for _ in range(2)]
    gone: list[Member] = []
    wait_until(lambda: are_sharing(members), "two classic members", seconds_max=60)
    assert kind_of(address, group) == ConsumerGroupType.CLASSIC
    # The group is of the new kind as long as one member speaks the new protocol.
    for protocol, kind in (
        (CONSUMER, ConsumerGroupType.CONSUMER),
        (CONSUMER, ConsumerGroupType.CONSUMER),
        (CLASSIC, ConsumerGroupType.CONSUMER),
        (CLASSIC, ConsumerGroupType.CLASSIC),
    ):
        write()
        leaver = members.pop(0)
        leaver.consumer.close()
        gone.append(leaver)
        members.append(Member(address, group, protocol, assignor))
        wait_until(lambda: are_sharing(members), f"a {protocol} member", seconds_max=60)
        assert kind_of(address, group) == kind
    write()
    wait_until(
        lambda: are_sharing(members) and len(set(read_by(gone + members))) == written,
        "all that was written",
        seconds_max=60,
    )
    for member in members:
        member.consumer.close()


def read_by(members: list[Member]) -> list[bytes]:
    return [value for member in members for value in member.read]


@pytest.mark.semantics("64i")
def test_a_mixed_group_outlives_a_kill_of_its_broker(tmp_path: Path) -> None:
    port = free_port()
    running = start(tmp_path, port)
    try:
        create_topic(running.address, "mixed", PARTITIONS)
        kinds = (CLASSIC, CONSUMER)
        members = [Member(running.address, "mixed", kind, ASSIGNORS[1]) for kind in kinds]
        wait_until(lambda: are_sharing(members), "both members", seconds_max=60)
    finally:
        running.kill()
    again = start(tmp_path, port)
    try:
        for partition in range(PARTITIONS):
            produce(again.address, "mixed", [b"%d" % partition], partition)
        wait_until(
            lambda: are_sharing(members) and len(set(read_by(members))) == PARTITIONS,
            "one record of each partition",
            seconds_max=60,
        )
        assert kind_of(again.address, "mixed") == ConsumerGroupType.CONSUMER
        for member in members:
            member.consumer.close()
    finally:
        assert again.stop() == 0
