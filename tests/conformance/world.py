"""What a scenario works with: the client under test, a reference client, and fresh names."""

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.conformance.client import Client
from tests.conformance.record import Record
from tests.conformance.security import Security

_NUMBERS = itertools.count(1)
SETTLE_SECONDS_MAX = 90.0  # brokers may die meanwhile, on a loaded machine


@dataclass(frozen=True, slots=True)
class World:
    """The reference (librdkafka) creates topics, and reads and writes on the other side."""

    client: Client
    reference: Client
    secured_at: Callable[[str], tuple[str, Security]]  # kind of security -> address and proof
    is_killing: bool = False  # brokers die while it runs
    seen: set[tuple[str, int, int]] = field(default_factory=set)  # member, partition, offset

    def taken(self, member: str, count: int, *, by: Client | None = None) -> list[Record]:
        """What a member reads next, each record once.

        Groups deliver at least once: what a member had not committed when it lost its coordinator
        comes again, on Apache Kafka as well. So, where brokers die, what it has told is dropped.
        """
        client = self.client if by is None else by
        found: list[Record] = []
        while len(found) < count:
            got = client.taken(member, count - len(found))
            found += self._untold(member, got) if self.is_killing else got
            if not got or not self.is_killing:
                break
        return found

    def _untold(self, member: str, got: Sequence[Record]) -> list[Record]:
        new = []
        for one in got:  # What is told again may be among them twice.
            at = (member, one.partition, one.offset)
            if at not in self.seen:
                self.seen.add(at)
                new.append(one)
        return new

    def write(
        self,
        topic: str,
        records: Sequence[Record],
        *,
        codec: str = "none",
        by: Client | None = None,
    ) -> None:
        """The client under test writes (or another one, `by`), each record once.

        Without idempotence a retry may store a record twice, on Apache Kafka as well; so, where
        brokers die, every producer is idempotent.
        """
        client = self.client if by is None else by
        client.produce(topic, records, codec=codec, idempotent=self.is_killing)

    @contextlib.contextmanager
    def secured(self, kind: str) -> Iterator[Client]:
        """Another client of the same kind, which has to prove who it is."""
        client = type(self.client)(*self.secured_at(kind))
        try:
            yield client
        finally:
            client.close()

    def name(self, kind: str) -> str:
        """A name that no other scenario uses, in this process or another."""
        return f"{kind}-{self.client.name}-{os.getpid()}-{next(_NUMBERS)}"

    def topic(self, partitions: int = 1, **configs: str) -> str:
        """A new topic; `_` in a config's name stands for a dot."""
        name = self.name("topic")
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        self.reference.create_topic(name, partitions, settings)
        return name


def expect_records(found: Sequence[Record], expected: Sequence[Record], reader: str) -> None:
    """The same contents in the same order, partition by partition."""
    for partition in sorted({record.partition for record in expected}):
        got = [record.content for record in found if record.partition == partition]
        wanted = [record.content for record in expected if record.partition == partition]
        assert len(got) == len(wanted), f"{reader} read {len(got)} of {len(wanted)} records"
        for index, (one, other) in enumerate(zip(got, wanted, strict=True)):
            assert one == other, f"{reader} read {short(one)} for {short(other)} at {index}"


def short(thing: object) -> str:
    text = repr(thing)
    return text if len(text) <= 200 else f"{text[:200]}..."


def settle(
    condition: Callable[[], bool],
    what: Callable[[], str],
    seconds_max: float = SETTLE_SECONDS_MAX,
) -> None:
    """Poll until it holds; clients learn of changes in their own time."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)
