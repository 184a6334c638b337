"""The produce that most clients send: one batch for one partition, like the one before it.

Requests of one producer differ in correlation id, partition and records alone, so what surrounds
those is read once per connection and compared afterwards. The quick way answers success only:
whatever is not plain, or is refused, is left untouched to the handler, which says why. Tests
compare both ways byte for byte.
"""

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from data_plane.broker.leader_hints import with_leaders
from data_plane.broker.metrics import TopicCounters
from data_plane.broker.reply import Parts, Reply
from data_plane.log.staging_log import StagedAppend
from data_plane.protocol.errors import ErrorCode, KafkaError
from data_plane.protocol.framing import SIZE_BYTES
from data_plane.protocol.hot.fields import TopicKey
from data_plane.protocol.hot.produce import (
    FLEXIBLE_FROM,
    RESULT_PACK,
    PartitionResult,
    Results,
    answer_around_result,
    read_produce,
    write_produce,
)
from data_plane.protocol.primitives import INT32, DecodeError, read_uvarint, uvarint
from data_plane.protocol.records.batch import (
    ATTRIBUTES_AT,
    BATCH_HEADER_BYTES,
    CONTROL,
    TRANSACTIONAL,
)
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclAuthorizer, AclOperation, ResourceType

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker
    from data_plane.broker.dispatch import Session

PRODUCE: Final = 0
VERSIONS: Final = range(7, 14)  # Below 7 zstd is refused, below 5 answers are shorter.
ALL_REPLICAS, LEADER_ONLY = -1, 1
KEY_AND_VERSION_BYTES, CORRELATION_END = 4, 8
MISSES_MAX = 16  # A producer that alternates between topics is not learnt again and again.

_ROW = struct.Struct(">ii").unpack_from  # partition index, size of the records
_ENDS_FLEXIBLE: Final = b"\0\0\0"  # no tags of the partition, the topic and the request


class QuickProduce:
    """What the last plain produce of a connection had in common with the next one."""

    __slots__ = (
        "_answer_end",
        "_answer_size",
        "_answer_start",
        "_authorizer",
        "_counters",
        "_end",
        "_ends",
        "_kind",
        "_listener",
        "_partitions",
        "_principal",
        "_stable",
        "_timeout_ms",
        "_topic",
        "_topic_key",
        "_version",
        "is_all_replicas",
    )

    def __init__(self, frame: bytes, end: int, version: int, topic: str, key: TopicKey) -> None:
        """frame: of a plain produce, as `learnt` finds out; its records' row begins at `end`."""
        is_flexible = version >= FLEXIBLE_FROM
        self._kind = frame[:KEY_AND_VERSION_BYTES]
        self._stable = frame[CORRELATION_END:end]
        self._end = end
        self._version = version
        self._topic, self._topic_key = topic, key
        self._ends = _ENDS_FLEXIBLE if is_flexible else b""
        self._answer_start, self._answer_end = answer_around_result(version, key)
        if is_flexible:
            self._answer_start = b"\0" + self._answer_start  # the response header's tags
        self._answer_size = b""
        unsized = self.frame(bytes(CORRELATION_END - KEY_AND_VERSION_BYTES), (0, 0, 0, 0, 0))
        self._answer_size = INT32.pack(len(unsized))  # It is the same for all.
        self._partitions: dict[int, Partition] = {}
        self._counters = TopicCounters()  # of the topic, once a partition is found
        self._authorizer: AclAuthorizer | None = None  # whose permission is known
        self._principal = self._listener = ""
        self.is_all_replicas = False
        self._timeout_ms = 0

    def take(
        self, broker: "Broker", session: "Session", frame: memoryview, now_ms: int
    ) -> "ProduceReply | None":
        """Stage a plain produce like the one that was learnt; None: nothing was done."""
        end = self._end
        head = frame[:end].tobytes()
        if head[CORRELATION_END:] != self._stable or head[:KEY_AND_VERSION_BYTES] != self._kind:
            return None
        at = end + 4
        try:
            if self._ends:
                index = INT32.unpack_from(frame, end)[0]
                size, at = read_uvarint(frame, at)
                size -= 1
                if frame[at + size :].tobytes() != _ENDS_FLEXIBLE:
                    return None
            else:
                index, size = _ROW(frame, end)
                at += 4
                if at + size != len(frame):
                    return None
        except (IndexError, struct.error, DecodeError):
            return None
        if size < BATCH_HEADER_BYTES or frame[at + ATTRIBUTES_AT + 1] & (TRANSACTIONAL | CONTROL):
            return None
        partition = self._partitions.get(index)
        if partition is None or partition.is_gone:
            partition = self._partition(broker, index)
            if partition is None:
                return None
        if not (
            session.is_authenticated
            and broker.takes_plain_produces
            and (
                (self._authorizer is broker.authorizer and self._principal == session.principal)
                or self._is_allowed(broker, session)
            )
            and (partition.has_enough_replicas or not self.is_all_replicas)
            and not partition.is_in_doubt
        ):
            return None
        batch = frame[at : at + size]
        try:
            staged = partition.append(batch, now_ms=now_ms)
        except KafkaError:
            return None  # Nothing was staged: the handler finds and tells the same.
        broker.metrics.requests += 1
        if not staged.is_duplicate:
            counters = self._counters
            counters.bytes_in += size
            counters.messages_in += staged.record_count
        broker.mark_dirty(partition)
        deadline_ms = now_ms + self._timeout_ms if self.is_all_replicas else None
        reply = ProduceReply(broker, partition, self, head[4:8], index, staged, deadline_ms)
        partition.when_written(staged.last_offset + 1, reply.written)
        return reply

    def _partition(self, broker: "Broker", index: int) -> Partition | None:
        """Find a partition once; it says itself when it goes, and its topic's counters with it."""
        try:
            found = broker.partition(broker.topic_name(self._topic_key), index)
        except KafkaError:
            return None
        self._partitions[index] = found
        self._counters = broker.metrics.topic(self._topic)
        return found

    def _is_allowed(self, broker: "Broker", session: "Session") -> bool:
        """Asked once per set of rules: another set comes with another authorizer."""
        host = session.client_host
        is_allowed = broker.authorizer.allows(
            session.principal, AclOperation.WRITE, ResourceType.TOPIC, self._topic, host
        )
        if is_allowed:
            self._authorizer, self._principal = broker.authorizer, session.principal
            self._listener = session.listener
        return is_allowed

    def wait_as_asked(self, acks: int, timeout_ms: int) -> None:
        """What the request said about its answer."""
        self.is_all_replicas = acks == ALL_REPLICAS
        self._timeout_ms = timeout_ms

    def frame(self, correlation_id: bytes, result: tuple[int, int, int, int, int]) -> bytes:
        """The whole answer that tells of success."""
        return b"".join(
            (
                self._answer_size,
                correlation_id,
                self._answer_start,
                RESULT_PACK(*result),
                self._answer_end,
            )
        )

    def failed(self, broker: "Broker", correlation_id: bytes, index: int, code: ErrorCode) -> bytes:
        """Header and body of the answer that tells of an error."""
        result = PartitionResult(index)
        result.fail(code, None)
        results: Results = [(self._topic_key, [result])]
        endpoints = with_leaders(results, broker.image, self._listener, broker.broker_id)
        tags = b"\0" if self._version >= FLEXIBLE_FROM else b""
        return correlation_id + tags + write_produce(self._version, results, 0, endpoints)


class ProduceReply(Reply):
    """The answer to one quick produce: ready when its batch is written, or committed."""

    __slots__ = (
        "_broker",
        "_callback",
        "_correlation_id",
        "_deadline",
        "_deadline_ms",
        "_end_offset",
        "_error",
        "_partition",
        "_quick",
        "_result",
        "is_ready",
    )
    is_ready: bool
    mutes = False

    def __init__(
        self,
        broker: "Broker",
        partition: Partition,
        quick: QuickProduce,
        correlation_id: bytes,
        index: int,
        staged: StagedAppend,
        deadline_ms: int | None,
    ) -> None:
        self.parked = None
        self.size_bytes = 0
        self.is_last = False
        self.is_ready = False
        self._broker = broker
        self._partition = partition
        self._quick = quick
        self._correlation_id = correlation_id
        self._result = (
            index,
            0,
            staged.base_offset,
            staged.log_append_time_ms,
            partition.log.log_start_offset,
        )
        self._end_offset = staged.last_offset + 1
        self._deadline_ms = deadline_ms
        self._deadline: Parked | None = None
        self._error: ErrorCode | None = None
        self._callback: Callable[[object], None] | None = None

    def written(self, is_kept: bool) -> None:
        """The turn's write is over."""
        if not (is_kept and self._quick.is_all_replicas):
            self._settle(is_kept)
            return
        self._partition.when_committed(self._end_offset, self._settle)
        if not self.is_ready and self._deadline_ms is not None:
            self._deadline = Parked(self._deadline_ms, self._time_out)
            self._broker.park(self._deadline)

    def when_done(self, callback: Callable[[object], None]) -> None:
        self._callback = callback

    def abandon(self) -> None:
        self._callback = None
        if self._deadline is not None:
            self._deadline.abandon()

    def take(self) -> Parts:
        if self._error is not None:
            index = self._result[0]
            return (self._quick.failed(self._broker, self._correlation_id, index, self._error),)
        return (self._quick.frame(self._correlation_id, self._result)[SIZE_BYTES:],)

    def frame(self) -> Parts:
        if self._error is not None:
            return super().frame()
        return (self._quick.frame(self._correlation_id, self._result),)

    def _settle(self, is_kept: bool) -> None:
        if self.is_ready:
            return
        if self._error is None:
            code = self._partition.outcome(is_kept=is_kept, is_all=self._quick.is_all_replicas)
            self._error = code or None
        self.is_ready = True
        if self._deadline is not None:
            self._deadline.abandon()
        if self._callback is not None:
            self._callback(None)

    def _time_out(self) -> None:
        if not self.is_ready:
            is_short = not self._partition.has_enough_replicas
            code = ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
            self._error = code if is_short else ErrorCode.REQUEST_TIMED_OUT
            self._settle(is_kept=False)


def learnt(broker: "Broker", frame: memoryview, body_at: int, version: int) -> QuickProduce | None:
    """What the quick way has to know of a produce that was just answered; None: it is not plain."""
    if version not in VERSIONS:
        return None
    try:
        call = read_produce(frame[body_at:], version)
        if call.transactional_id is not None or call.acks not in (ALL_REPLICAS, LEADER_ONLY):
            return None
        ((key, ((index, start, end),)),) = call.topics
        topic = broker.topic_name(key)
    except (DecodeError, KafkaError, ValueError):
        return None
    if broker.is_internal(topic) or call.timeout_ms < 0 or end < start:
        return None
    row_at = body_at + start - _row_bytes(end - start, version)
    quick = QuickProduce(frame[:row_at].tobytes(), row_at, version, topic, key)
    quick.wait_as_asked(call.acks, call.timeout_ms)
    return quick if INT32.unpack_from(frame, row_at)[0] == index else None


def _row_bytes(size: int, version: int) -> int:
    """How many bytes of a partition's row come before its records: its index and their size."""
    return 8 if version < FLEXIBLE_FROM else 4 + len(uvarint(size + 1))
