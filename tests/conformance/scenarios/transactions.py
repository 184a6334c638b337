"""Transactions: all or nothing, and offsets with the output they belong to."""

from tests.conformance.record import Record
from tests.conformance.world import World, expect_records


def commit_and_abort(world: World) -> None:
    """read_committed sees committed records alone; read_uncommitted sees all."""
    topic, name = world.topic(), world.name("txn")
    aborted = [Record(b"aborted %d" % i) for i in range(10)]
    committed = [Record(b"committed %d" % i) for i in range(10)]
    world.client.transaction(name, topic, aborted, commit=False)
    world.client.transaction(name, topic, committed, commit=True)
    for reader in (world.client, world.reference):
        found = reader.read(topic, 1, len(committed), committed_only=True)
        expect_records(found, committed, f"{reader.name} (read_committed)")
        everything = reader.read(topic, 1, 20)
        expect_records(everything, aborted + committed, f"{reader.name} (read_uncommitted)")
    # A marker takes one offset behind each transaction, and no more (redpanda#13364).
    assert world.reference.offset_at(topic, 0, -1) == 22


def consume_transform_produce(world: World) -> None:
    """Input offsets are committed by the transaction that writes the output."""
    source, target, group = world.topic(), world.topic(), world.name("group")
    records = [Record(b"%d" % i, key=b"k") for i in range(50)]
    world.reference.produce(source, records)
    copied = world.client.transform(world.name("txn"), group, source, target)
    assert copied == len(records), f"{copied} records were copied"
    found = world.reference.read(target, 1, len(records), committed_only=True)
    expect_records(found, records, "librdkafka")
    assert world.reference.committed(group, source, 1) == {0: len(records)}
