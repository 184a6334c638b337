"""The same work over TLS, by a certificate or a password; and longer than a SASL session lasts."""

import time

from tests.conformance.broker import SESSION_MS
from tests.conformance.record import Record
from tests.conformance.security import SCRAM_256
from tests.conformance.world import World, expect_records

SESSIONS = 3


def produce_and_consume(world: World, kind: str) -> None:
    """Write, read and commit as somebody whom ACLs allow it; what it wrote others read too."""
    topic, group = world.topic(), world.name("group")
    records = [Record(b"%d" % i, key=b"k%d" % (i % 3)) for i in range(200)]
    with world.secured(kind) as client:
        world.write(topic, records, codec="gzip", by=client)
        expect_records(client.read(topic, 1, len(records)), records, client.name)
        client.join("m", group, topic)
        expect_records(world.taken("m", len(records), by=client), records, client.name)
        client.commit("m")
        client.leave("m")
    expect_records(world.reference.read(topic, 1, len(records)), records, "librdkafka")
    assert world.reference.committed(group, topic, 1) == {0: len(records)}


def longer_than_a_session(world: World) -> None:
    """A member goes on while its session ends again and again (KIP-368): by proving itself anew.

    The broker closes connections whose client does not; nothing may be lost or told twice.
    """
    topic, group = world.topic(), world.name("group")
    with world.secured(SCRAM_256) as client:
        client.join("m", group, topic)
        for number in range(SESSIONS):
            records = [Record(b"%d of %d" % (i, number)) for i in range(10)]
            world.reference.produce(topic, records)
            expect_records(world.taken("m", len(records), by=client), records, client.name)
            client.commit("m")
            time.sleep(SESSION_MS / 1000)  # Time is what this scenario is about.
        client.leave("m")
    assert world.reference.committed(group, topic, 1) == {0: 10 * SESSIONS}
