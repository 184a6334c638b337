"""KIP-848 groups of a real client (librdkafka, `group.protocol=consumer`)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupType
from confluent_kafka.admin import AdminClient

from tests.integration.data_plane.broker_process import BrokerProcess, free_port, wait_until
from tests.integration.data_plane.kafka_clients import consume, create_topic, produce

PARTITIONS = 4


def config_file(folder: Path, port: int = 0) -> Path:
    """A broker whose members send heartbeats often, so that groups settle soon."""
    config = {
        "data_dir": str(folder / "data"),
        "listeners": [{"name": "PLAINTEXT", "port": port}],
        "super_users": ["User:ANONYMOUS"],
        "static_configs": {
            "group.consumer.heartbeat.interval.ms": "100",
            "group.initial.rebalance.delay.ms": "0",
        },
    }
    (folder / "broker.json").write_text(json.dumps(config))
    return folder / "broker.json"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    path = config_file(tmp_path_factory.mktemp("consumer_groups"))
    running = BrokerProcess("--config", str(path), port=None)
    yield running
    assert running.stop() == 0


def member(address: str, group: str, **settings: Any) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group,
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 500,
            **settings,
        }
    )


def share(consumer: Consumer) -> set[tuple[str, int]]:
    """Partitions this member owns now; polling lets it give up and take."""
    consumer.poll(0.05)
    return {(owned.topic, owned.partition) for owned in consumer.assignment()}


def whole(topic: str) -> set[tuple[str, int]]:
    return {(topic, partition) for partition in range(PARTITIONS)}


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_members_share_commit_and_hand_over(broker: BrokerProcess, assignor: str) -> None:
    topic = group = f"shared-{assignor}"
    create_topic(broker.address, topic, PARTITIONS)
    first = member(broker.address, group, **{"group.remote.assignor": assignor})
    first.subscribe([topic])
    wait_until(lambda: share(first) == whole(topic), "all for the only member")
    second = member(broker.address, group, **{"group.remote.assignor": assignor})
    second.subscribe([topic])

    def is_shared() -> bool:
        one, two = share(first), share(second)
        return len(one) == len(two) == PARTITIONS // 2 and one | two == whole(topic)

    wait_until(is_shared, "an even share of the partitions")
    for index in range(PARTITIONS):
        produce(broker.address, topic, [b"%d" % index] * 10, index)
    found = consume(first, 20) + consume(second, 20)
    assert sorted(int(message.value() or b"") for message in found) == sorted(list(range(4)) * 10)
    first.commit(asynchronous=False)
    second.commit(asynchronous=False)
    first.close()
    wait_until(lambda: share(second) == whole(topic), "the whole for the one who stays")
    produce(broker.address, topic, [b"later"], 0)
    produce(broker.address, topic, [b"later"], 1)
    assert [message.value() for message in consume(second, 2)] == [b"later"] * 2
    second.close()


def test_a_group_outlives_a_kill_of_its_broker(tmp_path: Path) -> None:
    path = config_file(tmp_path, free_port())
    running = BrokerProcess("--config", str(path), port=None)
    create_topic(running.address, "t", PARTITIONS)
    consumer = member(running.address, "g")
    consumer.subscribe(["t"])
    wait_until(lambda: share(consumer) == whole("t"), "its partitions")
    produce(running.address, "t", [b"before"], 0)
    assert [message.value() for message in consume(consumer, 1)] == [b"before"]
    consumer.commit(asynchronous=False)
    running.kill()
    again = BrokerProcess("--config", str(path), port=None)
    try:
        produce(again.address, "t", [b"after"], 0)
        assert [message.value() for message in consume(consumer, 1)] == [b"after"]
        consumer.commit(asynchronous=False)
        consumer.close()
    finally:
        assert again.stop() == 0


@pytest.mark.semantics("64f")
def test_an_expression_finds_topics_that_come_later(broker: BrokerProcess) -> None:
    create_topic(broker.address, "found-1", PARTITIONS)
    create_topic(broker.address, "other", PARTITIONS)
    consumer = member(broker.address, "by-expression")
    consumer.subscribe(["^found-\\d+$"])
    wait_until(lambda: share(consumer) == whole("found-1"), "the topic that is there")
    create_topic(broker.address, "found-2", PARTITIONS)
    wait_until(
        lambda: share(consumer) == whole("found-1") | whole("found-2"), "the topic that came"
    )
    consumer.close()


@pytest.mark.semantics("64a")
def test_a_static_member_comes_back_to_its_partitions(broker: BrokerProcess) -> None:
    create_topic(broker.address, "static", PARTITIONS)
    stays = member(broker.address, "statics", **{"group.instance.id": "a"})
    goes = member(broker.address, "statics", **{"group.instance.id": "b"})
    for one in (stays, goes):
        one.subscribe(["static"])
    wait_until(lambda: len(share(stays)) == len(share(goes)) == 2, "two for each")
    kept, had = share(stays), share(goes)
    goes.close()
    assert share(stays) == kept
    back = member(broker.address, "statics", **{"group.instance.id": "b"})
    back.subscribe(["static"])
    wait_until(lambda: share(back) == had, "its former partitions")
    assert share(stays) == kept
    back.close()
    stays.close()


def test_admins_see_what_kind_of_group_it_is(broker: BrokerProcess) -> None:
    create_topic(broker.address, "seen", PARTITIONS)
    admin = AdminClient({"bootstrap.servers": broker.address})
    consumer = member(broker.address, "seen", **{"client.id": "watched"})
    consumer.subscribe(["seen"])
    wait_until(lambda: share(consumer) == whole("seen"), "its partitions")
    listed = admin.list_consumer_groups(types={ConsumerGroupType.CONSUMER}).result(10)
    assert "seen" in [group.group_id for group in listed.valid]
    (described,) = admin.describe_consumer_groups(["seen"]).values()
    group = described.result(10)
    assert (group.state, group.type) == (ConsumerGroupState.STABLE, ConsumerGroupType.CONSUMER)
    (seen,) = group.members
    assert seen.client_id == "watched"
    assert len(seen.assignment.topic_partitions) == PARTITIONS
    consumer.close()
    admin.delete_consumer_groups(["seen"])["seen"].result(10)
    listed = admin.list_consumer_groups().result(10)
    assert "seen" not in [group.group_id for group in listed.valid]


@pytest.mark.semantics("64g")
def test_an_empty_group_changes_its_kind_and_keeps_its_offsets(broker: BrokerProcess) -> None:
    create_topic(broker.address, "moved", PARTITIONS)
    produce(broker.address, "moved", [b"1", b"2", b"3"], 0)
    kinds: list[dict[str, Any]] = [{"group.protocol": "classic"}, {}, {"group.protocol": "classic"}]
    for number, kind in enumerate(kinds, 1):
        consumer = member(broker.address, "moved", **kind)
        consumer.subscribe(["moved"])
        (message,) = consume(consumer, 1)
        assert message.value() == b"%d" % number
        consumer.commit(message=message, asynchronous=False)
        consumer.close()
