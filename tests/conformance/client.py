"""What a scenario asks of a client. One subclass for each client, in clients/.

A client that lacks a feature says so in `lacks`, with the reason that the table shows; every
other method must work. Members of groups poll on their own (a thread, a loop): `taken` hands out
what they have read, and `commit` commits exactly what was handed out.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tests.conformance.record import Record
from tests.conformance.security import Security

READ_SECONDS_MAX = 90.0  # brokers may die meanwhile, on a loaded machine


class NotRun(Exception):
    """The client cannot be had on this machine; the text says why."""


class ClientFailed(Exception):
    """The client reported an error; the text is its own."""


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """A group as an admin client describes it; states in the client's spelling, lower case."""

    state: str
    members: int


@dataclass(frozen=True, slots=True)
class Membership:
    """How a member joins, where it is not as its client does by itself."""

    instance_id: str = ""  # static membership, KIP-345
    is_cooperative: bool = False  # incremental rebalances, KIP-429


PLAIN = Membership()


class Client(ABC):
    """A foreign client, connected to bootstrap addresses (HOST:PORT, with commas between them).

    security: None is plaintext. replicas: of each topic that it creates.
    """

    name: ClassVar[str]
    lacks: ClassVar[Mapping[str, str]] = {}  # feature -> why the client cannot

    def __init__(self, address: str, security: Security | None = None) -> None:
        self.address = address
        self.security = security
        self.replicas = 1

    @abstractmethod
    def version(self) -> str:
        """The version of the library, as it says itself where it can."""

    def close(self) -> None:  # noqa: B027 - most clients hold nothing between two calls
        """Let go of everything that runs."""

    @abstractmethod
    def produce(
        self,
        topic: str,
        records: Sequence[Record],
        *,
        codec: str = "none",
        idempotent: bool = False,
    ) -> None:
        """Write with acks=all and wait for each acknowledgement."""

    @abstractmethod
    def read(
        self, topic: str, partitions: int, count: int, *, committed_only: bool = False
    ) -> list[Record]:
        """Read `count` records from the beginning of each partition, without a group."""

    @abstractmethod
    def join(self, member: str, group: str, topic: str, how: Membership = PLAIN) -> None:
        """Subscribe a new member, from the earliest offset, without automatic commits."""

    def join_by_heartbeat(self, member: str, group: str, topic: str) -> None:
        """As `join`, by the protocol of KIP-848."""
        raise NotImplementedError

    @abstractmethod
    def assigned(self, member: str) -> list[int]:
        """The partitions that the member owns now."""

    @abstractmethod
    def taken(self, member: str, count: int) -> list[Record]:
        """Up to `count` records that the member read; waits for them READ_SECONDS_MAX."""

    @abstractmethod
    def commit(self, member: str) -> None:
        """Commit what `taken` handed out."""

    @abstractmethod
    def leave(self, member: str) -> None:
        """Close the member; the group learns it at once."""

    def transaction(
        self, transactional_id: str, topic: str, records: Sequence[Record], *, commit: bool
    ) -> None:
        """Write the records in one transaction, and commit or abort it."""
        raise NotImplementedError

    def transform(self, transactional_id: str, group: str, source: str, target: str) -> int:
        """Copy `source` to `target`, input offsets and output in one transaction; returns how many.

        Joins `group`, copies everything up to the end of `source`, commits, and leaves.
        """
        raise NotImplementedError

    def create_topic(self, topic: str, partitions: int, configs: Mapping[str, str]) -> None:
        raise NotImplementedError

    def delete_topic(self, topic: str) -> None:
        raise NotImplementedError

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Grow the topic to `partitions`."""
        raise NotImplementedError

    def topics(self) -> dict[str, int]:
        """Every topic with its number of partitions."""
        raise NotImplementedError

    def alter_topic(self, topic: str, configs: Mapping[str, str]) -> None:
        raise NotImplementedError

    def topic_configs(self, topic: str) -> dict[str, str]:
        raise NotImplementedError

    def groups(self) -> list[str]:
        raise NotImplementedError

    def describe_group(self, group: str) -> GroupSeen:
        raise NotImplementedError

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """The committed offset of each partition that has one."""
        raise NotImplementedError

    def delete_group(self, group: str) -> None:
        raise NotImplementedError

    def allow_read(self, principal: str, topic: str) -> None:
        """Add one ACL: literal topic, READ, from any host."""
        raise NotImplementedError

    def acls(self, topic: str) -> list[str]:
        """The principals that ACLs on the topic name."""
        raise NotImplementedError

    def delete_acls(self, topic: str) -> None:
        raise NotImplementedError

    def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        """at_ms: Unix milliseconds; -1 the end, -2 the beginning."""
        raise NotImplementedError

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """DeleteRecords."""
        raise NotImplementedError
