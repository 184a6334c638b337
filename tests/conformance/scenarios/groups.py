"""Groups: two members share, one leaves, commits are where the next member starts."""

from collections.abc import Callable
from functools import partial

from tests.conformance.client import Membership
from tests.conformance.record import Record
from tests.conformance.world import World, expect_records, settle

PARTITIONS = 4
Join = Callable[[str, str, str], None]  # member, group, topic


def rebalance(world: World) -> None:
    """Two members own two partitions each; when one leaves, the other owns and reads everything."""
    _rebalance(world, world.client.join)


def consumer_protocol(world: World) -> None:
    """The same, by the protocol of KIP-848."""
    _rebalance(world, world.client.join_by_heartbeat)


def _rebalance(world: World, join: Join) -> None:
    client, topic, group = world.client, world.topic(partitions=PARTITIONS), world.name("group")
    join("a", group, topic)
    await_assignment(world, {"a": PARTITIONS})
    join("b", group, topic)
    await_assignment(world, {"a": 2, "b": 2})
    owned = client.assigned("a") + client.assigned("b")
    assert sorted(owned) == list(range(PARTITIONS)), f"the members own {owned}"

    first = [Record(b"first %d" % i, partition=i % PARTITIONS) for i in range(40)]
    world.reference.produce(topic, first)
    found = world.taken("a", 20) + world.taken("b", 20)
    expect_records(found, first, client.name)
    client.commit("a")
    client.commit("b")
    client.leave("b")

    await_assignment(world, {"a": PARTITIONS})
    second = [Record(b"second %d" % i, partition=i % PARTITIONS) for i in range(40)]
    world.reference.produce(topic, second)
    expect_records(world.taken("a", 40), second, client.name)
    client.commit("a")
    client.leave("a")


def cooperative_rebalance(world: World) -> None:
    """As above, in increments: a member gives up only what another one gets (KIP-429)."""
    _rebalance(world, partial(world.client.join, how=Membership(is_cooperative=True)))


def static_members(world: World) -> None:
    """Who closes and comes back under its name finds its partitions, and nobody moves (KIP-345)."""
    client, topic, group = world.client, world.topic(partitions=PARTITIONS), world.name("group")
    names = {member: Membership(instance_id=f"static-{member}") for member in ("a", "b")}
    client.join("a", group, topic, names["a"])
    await_assignment(world, {"a": PARTITIONS})
    client.join("b", group, topic, names["b"])
    await_assignment(world, {"a": 2, "b": 2})
    before = client.assigned("a"), client.assigned("b")
    client.leave("b")
    assert world.reference.describe_group(group).members == 2, "closing is not leaving"
    client.join("b", group, topic, names["b"])
    await_assignment(world, {"a": 2, "b": 2})
    assert (client.assigned("a"), client.assigned("b")) == before
    client.leave("a")
    client.leave("b")


def migration(world: World) -> None:
    """A group goes over to KIP-848 and back while it works, one member after the other."""
    client, topic, group = world.client, world.topic(partitions=PARTITIONS), world.name("group")
    client.join("old", group, topic)
    await_assignment(world, {"old": PARTITIONS})
    client.join_by_heartbeat("new", group, topic)
    await_assignment(world, {"old": 2, "new": 2})
    first = [Record(b"first %d" % i, partition=i % PARTITIONS) for i in range(40)]
    world.reference.produce(topic, first)
    expect_records(world.taken("old", 20) + world.taken("new", 20), first, client.name)
    client.commit("old")
    client.commit("new")
    client.leave("old")
    await_assignment(world, {"new": PARTITIONS})
    client.join("back", group, topic)
    await_assignment(world, {"new": 2, "back": 2})
    client.leave("new")
    await_assignment(world, {"back": PARTITIONS})
    second = [Record(b"second %d" % i, partition=i % PARTITIONS) for i in range(40)]
    world.reference.produce(topic, second)
    expect_records(world.taken("back", 40), second, client.name)
    client.commit("back")
    client.leave("back")
    assert world.reference.committed(group, topic, PARTITIONS) == dict.fromkeys(range(4), 20)


def commit_and_resume(world: World) -> None:
    """A member that left after a commit is followed by one that starts exactly there."""
    client, topic, group = world.client, world.topic(), world.name("group")
    records = [Record(b"%d" % i) for i in range(100)]
    world.reference.produce(topic, records[:40])
    client.join("first", group, topic)
    expect_records(world.taken("first", 40), records[:40], client.name)
    client.commit("first")
    client.leave("first")
    world.reference.produce(topic, records[40:])
    client.join("second", group, topic)
    expect_records(world.taken("second", 60), records[40:], client.name)
    client.commit("second")
    client.leave("second")
    assert world.reference.committed(group, topic, 1) == {0: 100}


def commit_inside_a_batch(world: World) -> None:
    """A fetch from the middle of a batch gives the whole batch; the client skips what it has."""
    client, topic, group = world.client, world.topic(), world.name("group")
    records = [Record(b"%d" % i) for i in range(100)]
    world.reference.produce(topic, records, codec="lz4")
    client.join("first", group, topic)
    expect_records(world.taken("first", 37), records[:37], client.name)
    client.commit("first")
    client.leave("first")
    client.join("second", group, topic)
    found = world.taken("second", 63)
    expect_records(found, records[37:], client.name)
    assert found[0].offset == 37
    client.leave("second")


def await_assignment(world: World, counts: dict[str, int]) -> None:
    def owned() -> dict[str, int]:
        return {member: len(world.client.assigned(member)) for member in counts}

    settle(lambda: owned() == counts, lambda: f"the members own {owned()}, not {counts}")
