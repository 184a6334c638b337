"""A shard: one partition of an internal topic, held in memory, answering by decisions.

decide -> records -> replay at append -> answer once the high watermark has passed (design.md rule
2, durability.md 4). Whoever drives a shard keeps four promises:

1. The records of a decision are replayed before the shard decides again. They may reach the log
   later, with all records of the same loop turn as one batch, but in the order of decisions.
2. No response and no reply leaves before the high watermark has reached the shard's log end as it
   was after the decision; that holds for decisions without records too, since what they read may
   not be committed yet.
3. After a failed append or lost leadership the shard is closed, its replies are sent, and it is
   thrown away. Nothing is undone in it: a new shard replays the log.
4. Before `finish_load` only `replay` is called.

In return a shard reads no clock and draws no randomness: both come in.

A record may be part of a producer's transaction (`InTransaction`): it is in the log at once, in a
batch of that producer's, and counts once a commit marker follows. Markers are records too
(`TransactionEnded`), so that they keep their place among the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data_plane.coordinator.transaction import ProducerIdAndEpoch
from data_plane.metadata.decision import Decision
from data_plane.protocol.records.control import Marker

Replies = Sequence[tuple[object, object]]


@dataclass(frozen=True, slots=True)
class InTransaction:
    """A record of a shard that counts once its producer's transaction commits."""

    producer: ProducerIdAndEpoch
    record: object


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    """The marker of a producer's transaction has reached this shard's partition."""

    producer: ProducerIdAndEpoch
    marker: Marker


class Shard(Protocol):
    """What the broker needs to know of any shard (groups, transactions)."""

    @property
    def is_loaded(self) -> bool:
        """False while the log is being replayed: answer COORDINATOR_LOAD_IN_PROGRESS."""

    @property
    def next_due_ms(self) -> int | None:
        """When `expire` should run next, Unix milliseconds; never later than needed."""

    def replay(self, record: object) -> None:
        """Change state from one record: the same path on load, on failover and live."""

    def replay_bytes(
        self, key: bytes | None, value: bytes | None, producer: ProducerIdAndEpoch | None = None
    ) -> None:
        """Replay one record as read from the log; unknown kinds are skipped, broken ones raise.

        producer: whose transaction it is part of.
        """

    def encode(self, record: object) -> tuple[bytes, bytes | None]:
        """Key and value to append for one record of a decision; value None is a tombstone.

        Of an `InTransaction` the record within is encoded; a `TransactionEnded` has neither.
        """

    def finish_load(self, now_ms: int) -> None:
        """The log's end is reached: start timers, serve from now on."""

    def expire(self, now_ms: int, date_ms: int | None = None) -> Decision[None]:
        """Do what is due at `now_ms`.

        date_ms: by which the age of what is to be forgotten is counted, if it is not `now_ms`.
        """

    def close(self) -> Replies:
        """Answers for every request still parked here; the shard is not used afterwards."""
