"""Records go in and come out: codecs, nulls, headers, timestamps, 1 MB."""

import random

from tests.conformance.record import Record
from tests.conformance.world import World, expect_records

COUNT = 50


def codec(world: World, name: str) -> None:
    """Each side reads what the other compressed: libraries frame one codec differently."""
    records = [
        Record(key=b"k%d" % (i % 5), value=b'{"row": %d, "text": "%s"}' % (i, b"abc" * 40))
        for i in range(COUNT)
    ]
    ours, theirs = world.topic(), world.topic()
    world.write(ours, records, codec=name)
    expect_records(world.client.read(ours, 1, COUNT), records, world.client.name)
    expect_records(world.reference.read(ours, 1, COUNT), records, "librdkafka")
    world.reference.produce(theirs, records, codec=name)
    expect_records(world.client.read(theirs, 1, COUNT), records, world.client.name)


def keys_headers_nulls(world: World) -> None:
    """Any bytes, a tombstone, no key, and headers of which one repeats."""
    headers = (("trace", b"\x01\xff"), ("trace", b"again"))
    records = [
        Record(key=None, value=b"no key"),
        Record(key=b"deleted", value=None),
        Record(key=b"\x00\xff\xfe binary", value=bytes(range(256)), headers=headers),
    ]
    topic = world.topic()
    world.write(topic, records)
    expect_records(world.client.read(topic, 1, len(records)), records, world.client.name)
    expect_records(world.reference.read(topic, 1, len(records)), records, "librdkafka")


def empty_is_not_null(world: World) -> None:
    """A key of no bytes is a key, and a value of no bytes is no tombstone."""
    records = [Record(key=b"", value=b"v"), Record(key=b"k", value=b""), Record(value=b"w")]
    records.append(Record(b"x", headers=(("empty", b""),)))
    topic = world.topic()
    world.write(topic, records)
    expect_records(world.reference.read(topic, 1, 4), records, "librdkafka")
    expect_records(world.client.read(topic, 1, 4), records, world.client.name)


def null_header(world: World) -> None:
    records = [Record(b"v", headers=(("none", None), ("some", b"h")))]
    topic = world.topic()
    world.write(topic, records)
    expect_records(world.client.read(topic, 1, 1), records, world.client.name)
    expect_records(world.reference.read(topic, 1, 1), records, "librdkafka")


def partitions_and_timestamps(world: World) -> None:
    """Records land in the partition asked for, and keep the time their writer gave them."""
    records = [
        Record(key=b"k", value=b"%d" % i, partition=i % 3, timestamp_ms=1_700_000_000_000 + i)
        for i in range(30)
    ]
    topic = world.topic(partitions=3)
    world.write(topic, records)
    for reader in (world.client, world.reference):
        found = reader.read(topic, 3, len(records))
        expect_records(found, records, reader.name)
        times = {record.value: record.timestamp_ms for record in found}
        assert times == {record.value: record.timestamp_ms for record in records}, reader.name
        for partition in range(3):
            offsets = [record.offset for record in found if record.partition == partition]
            assert offsets == list(range(10)), f"{reader.name} saw offsets {offsets}"


def one_megabyte(world: World) -> None:
    """A record of 1,000,000 bytes that no codec can shrink, with others around it."""
    big = random.Random(1).randbytes(1_000_000)
    records = [Record(b"before"), Record(big), Record(b"between"), Record(big[::-1]), Record(b"z")]
    topic = world.topic()
    world.write(topic, records)
    expect_records(world.client.read(topic, 1, len(records)), records, world.client.name)
    expect_records(world.reference.read(topic, 1, len(records)), records, "librdkafka")


def idempotent(world: World) -> None:
    """The idempotent producer works; its sequences are the broker's to check."""
    records = [Record(b"%d" % i) for i in range(500)]
    topic = world.topic()
    world.client.produce(topic, records, idempotent=True)
    expect_records(world.reference.read(topic, 1, len(records)), records, "librdkafka")


def log_append_time(world: World) -> None:
    """The broker's time replaces the writer's, in the record that a reader sees."""
    topic = world.topic(message_timestamp_type="LogAppendTime")
    world.write(topic, [Record(b"old", timestamp_ms=1_000)])
    (found,) = world.client.read(topic, 1, 1)
    assert found.timestamp_ms > 1_600_000_000_000, f"the reader was told {found.timestamp_ms}"
