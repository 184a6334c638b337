"""Administration: topics, configs, groups, ACLs, offsets, deleting records."""

from tests.conformance.client import Client
from tests.conformance.record import Record
from tests.conformance.world import World, settle

CONFIGS = {"retention.ms": "7200000", "cleanup.policy": "compact"}


def topics(world: World) -> None:
    client, name = world.client, world.name("made")
    client.create_topic(name, 2, {"retention.ms": "3600000"})
    settle(lambda: client.topics().get(name) == 2, lambda: f"{name} is not listed: missing")
    assert world.reference.topic_configs(name)["retention.ms"] == "3600000"
    client.delete_topic(name)
    settle(lambda: name not in client.topics(), lambda: f"{name} was not deleted")


def add_partitions(world: World) -> None:
    client, topic = world.client, world.topic(partitions=2)
    client.add_partitions(topic, 5)
    settle(lambda: client.topics().get(topic) == 5, lambda: f"{topic} did not grow")


def configs(world: World) -> None:
    topic = world.topic(segment_bytes="2097152")
    world.client.alter_topic(topic, CONFIGS)
    for reader in (world.client, world.reference):
        _settle_configs(reader, topic)


def _settle_configs(reader: Client, topic: str) -> None:
    """Each request may go to another broker, which learns of a change in its own time."""
    settle(
        lambda: CONFIGS.items() <= reader.topic_configs(topic).items(),
        lambda: f"{reader.name}: {reader.topic_configs(topic)}",
    )


def groups(world: World) -> None:
    """A live group, then an empty one with its offsets, then none."""
    client, topic, group = world.client, world.topic(partitions=2), world.name("group")
    world.reference.produce(topic, [Record(b"%d" % i, partition=i % 2) for i in range(20)])
    world.reference.join("m", group, topic)
    world.reference.taken("m", 20)
    world.reference.commit("m")
    assert group in client.groups()
    seen = client.describe_group(group)
    assert (seen.state, seen.members) == ("stable", 1), f"{client.name} saw {seen}"
    world.reference.leave("m")
    if world.is_killing:  # Who leaves says so once; nobody hears it whose coordinator dies then.
        settle(lambda: client.describe_group(group).members == 0, lambda: "the member stays")
    seen = client.describe_group(group)
    assert (seen.state, seen.members) == ("empty", 0), f"{client.name} saw {seen}"
    assert client.committed(group, topic, 2) == {0: 10, 1: 10}
    client.delete_group(group)
    assert group not in client.groups()


def acls(world: World) -> None:
    topic, principal = world.topic(), "User:CN=reader,O=somewhere"
    world.client.allow_read(principal, topic)
    _settle_acls(world, topic, [principal])
    world.client.delete_acls(topic)
    _settle_acls(world, topic, [])


def _settle_acls(world: World, topic: str, expected: list[str]) -> None:
    settle(
        lambda: world.client.acls(topic) == expected,
        lambda: f"{world.client.acls(topic)} for {expected}",
    )


def offsets_by_time(world: World) -> None:
    """The beginning, the end, and the first record not older than a time."""
    client, topic = world.client, world.topic()
    base = 1_700_000_000_000
    # One batch: the answer is a record inside of it, not the batch (kafka-protocol.md item 42).
    world.reference.produce(
        topic, [Record(b"%d" % i, timestamp_ms=base + 1000 * i) for i in range(10)], codec="lz4"
    )
    assert client.offset_at(topic, 0, -2) == 0
    assert client.offset_at(topic, 0, -1) == 10
    assert client.offset_at(topic, 0, base + 3500) == 4


def delete_records(world: World) -> None:
    client, topic = world.client, world.topic()
    world.reference.produce(topic, [Record(b"%d" % i) for i in range(10)])
    client.delete_before(topic, 0, 6)
    assert world.reference.offset_at(topic, 0, -2) == 6
    (first, *_) = world.reference.read(topic, 1, 4)
    assert (first.offset, first.value) == (6, b"6")
