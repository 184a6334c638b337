"""Reads through everything that is stored, slowly: damage is found while others have the records.

A batch is compared with its checksum when somebody reads it (readable_log.py). What nobody reads,
a follower's copy above all, may rot until it is the only one left; so once a day all of it is.
Source: reliability.md D6.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from data_plane.log.failures import DamagedLog
from data_plane.protocol.errors import ErrorCode, KafkaError, OffsetOutOfRange
from data_plane.replication.follower import Follower
from data_plane.replication.partition import Partition

FIRST_PASS_MS = 60_000  # after a start
PASS_EVERY_MS = 24 * 3600 * 1000  # from the beginning of one to the beginning of the next
LOOKED_AT_PER_STEP = 16  # replicas that hold nothing more to be read

Key = tuple[str, int]
Replica = Partition | Follower


class Scrubbed(Protocol):
    """What a scrub needs of its broker."""

    def replica_keys_with_records(self) -> Iterable[Key]:
        """Every replica here that holds anything, led or copied."""

    def kept_partition(self, key: Key) -> Replica | None:
        """Open a replica; None if it went. Raises KafkaError if it cannot be opened."""

    def found_damage(self, replica: Replica, error: DamagedLog) -> ErrorCode: ...


class Scrub:
    """A pass after the other; `step` is called about once a second, and reads half a megabyte.

    That is 44 GB a day; a directory with more takes longer for a pass.
    """

    def __init__(self, scrubbed: Scrubbed, now_ms: int) -> None:
        self._scrubbed = scrubbed
        self._due_ms = now_ms + FIRST_PASS_MS
        self._reads: Iterator[bool] | None = None  # of the pass under way; True: bytes were read

    def step(self, now_ms: int) -> None:
        """Read on in the pass under way, or begin one that is due."""
        if self._reads is None:
            if now_ms < self._due_ms:
                return
            self._due_ms = now_ms + PASS_EVERY_MS
            self._reads = self._pass()
        reads = self._reads
        for _ in range(LOOKED_AT_PER_STEP):
            has_read = next(reads, None)
            if has_read is None:
                self._reads = None
            if has_read is not False:
                return

    def _pass(self) -> Iterator[bool]:
        for key in list(self._scrubbed.replica_keys_with_records()):
            try:
                replica = self._scrubbed.kept_partition(key)
            except KafkaError:
                replica = None  # Whoever uses it is told why.
            if replica is not None:
                yield from self._through(replica)
            yield False

    def _through(self, replica: Replica) -> Iterator[bool]:
        """Read one replica's log up to what was committed when this began."""
        offset, end = replica.log.log_start_offset, replica.high_watermark
        while offset < end and not replica.is_gone:
            try:
                offset = replica.log.check(offset, offset_limit=end)
            except DamagedLog as error:
                self._scrubbed.found_damage(replica, error)
                return
            except OffsetOutOfRange:  # Retention has passed by.
                offset = replica.log.log_start_offset
                continue
            yield True
