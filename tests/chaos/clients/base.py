"""What a workload asks of a client library. Errors are told by Kafka's names."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

CLASSIC, NEXT = "classic", "consumer"  # group.protocol: before and since KIP-848
REQUEST_MS = 10_000
DELIVERY_MS = 120_000  # longer than any fault: a send ends with an answer, not with a guess
TRANSACTION_MS = 15_000
SESSION_MS = 10_000
BACKOFF_MS, BACKOFF_MS_MAX = 50, 500


class Place(NamedTuple):
    """One partition."""

    topic: str
    partition: int

    @property
    def name(self) -> str:
        return f"{self.topic}-{self.partition}"


def place_of(name: str) -> Place:
    topic, _, index = name.rpartition("-")
    return Place(topic, int(index))


class Got(NamedTuple):
    """One record that a poll returned."""

    place: Place
    offset: int
    value: bytes
    timestamp_ms: int


class Membership(NamedTuple):
    """Who a group member is now; -1 where the library does not tell the generation."""

    member: str
    generation: int


class ClientError(Exception):
    """An operation failed; `name` is Kafka's, or the library's own with a leading underscore."""

    def __init__(self, name: str, *, is_retriable: bool = False) -> None:
        super().__init__(name)
        self.name = name
        self.is_retriable = is_retriable


Delivered = Callable[[str | None, int | None], None]  # error, offset (None: not told)
Revoked = Callable[[Sequence[Place]], None]
Assigned = Callable[[Sequence[Place]], Mapping[Place, int]]  # returns where to begin


class Producer(Protocol):
    """Idempotent, acks=all; transactional if it was given an id."""

    def send(
        self, place: Place, key: bytes, value: bytes, timestamp_ms: int, done: Delivered
    ) -> None:
        """Hand a record over. Raises ClientError at once if the library will not have it."""

    def serve(self, seconds: float) -> None:
        """Let callbacks run for up to this long."""

    def flush(self, seconds: float) -> None: ...

    def init_transactions(self) -> None: ...

    def begin(self) -> None: ...

    def send_offsets(self, offsets: Mapping[Place, int], consumer: "Consumer") -> None: ...

    def commit(self) -> None: ...

    def abort(self) -> None: ...


class Consumer(Protocol):
    """Reads what is assigned to it."""

    def assign(self, positions: Mapping[Place, int]) -> None: ...

    def subscribe(self, topics: Sequence[str], assigned: Assigned, revoked: Revoked) -> None:
        """assigned: all that it owns now; under the consumer protocol, what it owns more."""

    def poll(self, seconds: float, records_max: int) -> list[Got]: ...

    def commit(self, offsets: Mapping[Place, int]) -> None: ...

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]: ...

    def ends(self, places: Sequence[Place]) -> dict[Place, tuple[int, int]]:
        """Start and end offsets; the end under read_committed is the last stable offset."""

    def is_at(self, place: Place, end: int) -> bool:
        """Say whether everything before `end` was returned, or is not for this reader."""

    def offset_for_time(self, place: Place, timestamp_ms: int) -> int | None: ...

    def membership(self) -> Membership: ...

    def close(self) -> None: ...


class Library(Protocol):
    """How to make clients."""

    name: str

    def version(self) -> str: ...

    def producer(
        self, bootstrap: str, transactional_id: str | None = None, request_ms: int = REQUEST_MS
    ) -> Producer:
        """request_ms: how long it waits for an answer before it asks anew."""

    def consumer(
        self, bootstrap: str, group: str, isolation: str, protocol: str = CLASSIC
    ) -> Consumer:
        """protocol: of the group, by Kafka's names. Raises ValueError for one it does not have."""
