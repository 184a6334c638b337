"""A fetch under way: what it reads, what it waits for, how it is answered."""

from typing import TYPE_CHECKING, Final

from data_plane.broker.context import RequestContext
from data_plane.broker.fetch_sessions import FetchEntry, FetchView, Marks
from data_plane.broker.leader_hints import MOVED, LeaderHints
from data_plane.broker.records_part import RecordsPart
from data_plane.log.failures import DamagedLog
from data_plane.log.log_slice import EMPTY_SLICE, LogSlice
from data_plane.protocol.errors import (
    ErrorCode,
    KafkaError,
    NotLeaderOrFollower,
    UnsupportedCompression,
)
from data_plane.protocol.hot.fetch import (
    FetchCall,
    FetchResult,
    write_diverging_end,
    write_end,
    write_endpoints_end,
    write_head,
    write_led_end,
    write_result,
    write_topic,
)
from data_plane.protocol.hot.fields import TopicKey
from data_plane.protocol.hot.leaders import FETCH_FROM
from data_plane.protocol.primitives import Buffer
from data_plane.protocol.records.batch import read_header
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

ZSTD: Final = 4
ZSTD_VERSION_MIN: Final = 10
READ_COMMITTED: Final = 1
READ_AT_ONCE_BYTES_MAX: Final = 64 * 1024  # above it reading ahead costs more than it saves


class ParkedFetch(Parked):
    """A fetch, parked on the partitions it reads until it has enough."""

    __slots__ = ("_found", "broker", "call", "ctx", "view")

    def __init__(
        self, broker: "Broker", ctx: RequestContext, call: FetchCall, view: FetchView
    ) -> None:
        wait_ms = min(max(call.max_wait_ms, 0), broker.config.limits.fetch_wait_ms_max)
        super().__init__(ctx.now_ms + wait_ms, self._at_deadline)
        self.broker = broker
        self.ctx = ctx
        self.call = call
        self.view = view
        self._found: dict[FetchEntry, tuple[FetchResult, LogSlice]] = {}

    def is_due(self) -> bool:
        """Read; True if the answer may leave now, else wait for progress."""
        read_bytes, has_error = self._read()
        if (
            has_error
            or not self.view.entries
            or read_bytes >= self.call.min_bytes
            or self.call.max_wait_ms <= 0
        ):
            return True
        self.view.park(self._woken)
        return False

    def retry(self) -> None:
        """Something moved: answer if it is enough now."""
        if self.is_done:
            return
        quotas = self.broker.quotas
        started_ns = quotas.started_ns()
        read_bytes, has_error = self._read()
        if has_error or read_bytes >= self.call.min_bytes:
            self.complete(self.answer())
        quotas.took(self.ctx, started_ns, self.broker.now_ms)

    def answer(self) -> list[Buffer | RecordsPart]:
        """The response body: heads and record bytes in turn."""
        version = self.ctx.api_version
        throttle_ms = self.throttle()
        parts: list[Buffer | RecordsPart] = []
        topics = self._told()
        hints = self._hints()
        out = write_head(
            version,
            ErrorCode.NONE,
            len(topics),
            session_id=self.view.session_id,
            throttle_time_ms=throttle_ms,
        )
        for topic, rows in topics.items():
            write_topic(out, version, topic, len(rows))
            for found, records in rows:
                write_result(out, version, found, len(records))
                if records:
                    parts += (bytes(out), records)
                    out.clear()
                leader = None
                if hints is not None and found.error_code in MOVED:
                    leader = hints.of(topic, found.partition)
                if found.diverging is not None:
                    write_diverging_end(out, version, *found.diverging)
                elif leader is not None:
                    write_led_end(out, version, leader)
                else:
                    write_end(out, version)
            write_end(out, version)
        self._found = {}
        write_endpoints_end(out, version, () if hints is None else hints.endpoints)
        return [*parts, bytes(out)]

    def _hints(self) -> LeaderHints | None:
        """None for who cannot be told; followers hear of their leaders from the metadata."""
        if self.ctx.api_version < FETCH_FROM or self.ctx.is_internal:
            return None
        return LeaderHints(self.broker.image, self.ctx.listener, self.broker.broker_id)

    def room(self) -> int:
        """How many bytes may be read."""
        left = min(self.call.max_bytes, self.broker.config.limits.fetch_bytes_max)
        quota_bytes = self.broker.quotas.fetch_bytes_max(self.ctx)
        return left if quota_bytes is None else min(left, quota_bytes)

    def count_out(self, topic: str, size_bytes: int) -> None:
        """Records of a topic are about to leave."""
        self.broker.metrics.topic(topic).bytes_out += size_bytes

    def throttle(self) -> int:
        """Charge what was read; over the quota, watermarks are told and records are held back."""
        quotas = self.broker.quotas
        if quotas.is_idle_for_fetch:
            return 0
        size_bytes = sum(part.size_bytes for _, part in self._found.values())
        may_leave, throttle_ms = quotas.charge_fetch(self.ctx, size_bytes, self.broker.now_ms)
        if not may_leave:
            self._found = {
                entry: (result, EMPTY_SLICE) for entry, (result, _) in self._found.items()
            }
        return throttle_ms

    def _told(self) -> dict[TopicKey, list[tuple[FetchResult, bytes | RecordsPart]]]:
        """The rows of the answer: everything in a full fetch, else what has news; by topic."""
        view, topics = self.view, dict[TopicKey, list[tuple[FetchResult, bytes | RecordsPart]]]()
        for entry in list(view.entries.values() if view.tells_all else self._found):
            found = self._found.get(entry)
            result, part = found or (result_of(entry, ErrorCode.NONE), EMPTY_SLICE)
            marks = result[2:5]
            is_news = (
                part.size_bytes or result.error_code or result.diverging or marks != entry.told
            )
            if not (view.tells_all or is_news):
                continue
            row = self._with_records(entry, result, part)
            entry.told = None if row[0].error_code else marks
            topics.setdefault(entry.topic, []).append(row)
            if found is not None:
                self._settle(entry, result, part)
        return topics

    def _settle(self, entry: FetchEntry, result: FetchResult, part: LogSlice) -> None:
        """After it was told: clean if read to its end, else behind those that wait longer."""
        dirty = self.view.dirty
        if part.size_bytes:
            dirty.pop(entry, None)
            dirty[entry] = None
        elif self.is_at_end(entry, result):
            dirty.pop(entry, None)

    def is_at_end(self, entry: FetchEntry, result: FetchResult) -> bool:
        """True if nothing more can be said of it before something happens to its partition."""
        is_committed = self.call.isolation_level == READ_COMMITTED
        end = result.last_stable_offset if is_committed else result.high_watermark
        return not (result.error_code or result.diverging) and entry.wanted.fetch_offset >= end

    def _with_records(
        self, entry: FetchEntry, result: FetchResult, part: LogSlice
    ) -> tuple[FetchResult, bytes | RecordsPart]:
        """Read what was found; damage found only now is that partition's own error.

        Much is not read now but as it leaves, so that slow clients hold no memory.
        """
        partition = entry.partition
        if not part.size_bytes or partition is None:
            return result, b""
        broker, topic = self.broker, partition.topic
        if part.size_bytes > READ_AT_ONCE_BYTES_MAX:
            self.count_out(topic, part.size_bytes)
            return result, RecordsPart(part, lambda error: broker.quarantine(partition, error))
        try:
            records = part.read_bytes()
        except DamagedLog as error:
            broker.quarantine(partition, error)
            return FetchResult(result.partition, error.code), b""
        self.count_out(topic, len(records))
        return result, records

    def complete(self, response: object) -> bool:
        self.view.answered(self._woken)
        return super().complete(response)

    def abandon(self) -> None:
        self.view.answered(self._woken)
        super().abandon()

    def _woken(self) -> None:
        self.broker.wake(self)

    def _at_deadline(self) -> object:
        self._read()
        return self.answer()

    def _read(self) -> tuple[int, bool]:
        """Read what is dirty; return the bytes found and whether any partition failed."""
        left = self.room()
        total, has_error = 0, False
        view, self._found = self.view, {}
        for entry in list(view.dirty):
            result, part = self.read_one(entry, left, at_least_one=not total)
            has_error |= bool(result.error_code or result.diverging)
            total += part.size_bytes
            left -= part.size_bytes
            marks: Marks = result[2:5]
            if (view.tells_all or marks == entry.told) and self.is_at_end(entry, result):
                del view.dirty[entry]
            self._found[entry] = result, part
            if left <= 0 and not view.tells_all:
                break  # The rest is dirty still, and comes first the next time.
        return total, has_error

    def read_one(
        self, entry: FetchEntry, left: int, *, at_least_one: bool
    ) -> tuple[FetchResult, LogSlice]:
        broker, ctx, wanted = self.broker, self.ctx, entry.wanted
        is_committed = self.call.isolation_level == READ_COMMITTED
        partition = None
        try:
            topic = broker.topic_name(entry.topic)
            broker.check_topic(ctx, AclOperation.READ, topic)
            partition = broker.partition(topic, wanted.partition)
            self.view.found(entry, partition)
            partition.check_epoch(wanted.current_leader_epoch)
            diverging = partition.diverging(wanted)
            if diverging is not None:
                result = result_of(entry, ErrorCode.NONE)._replace(diverging=diverging)
                return result, EMPTY_SLICE
            part = partition.read(
                wanted.fetch_offset,
                bytes_max=max(0, min(left, wanted.partition_max_bytes)),
                at_least_one=at_least_one,
                is_committed=is_committed,
            )
            if partition.is_in_doubt and not part.size_bytes:
                raise NotLeaderOrFollower
            if ctx.api_version < ZSTD_VERSION_MIN and part.size_bytes:
                refuse_zstd(part)
            aborted = None
            if is_committed:
                aborted = partition.aborted_transactions(wanted.fetch_offset, part)
        except DamagedLog as error:
            self.view.found(entry, partition)
            return damaged(broker, entry, error), EMPTY_SLICE
        except KafkaError as error:
            self.view.found(entry, partition)
            if partition is None:
                return FetchResult(wanted.partition, error.code), EMPTY_SLICE
            # Watermarks are told even then: lag tools and resets depend on them.
            return result_of(entry, error.code), EMPTY_SLICE
        result = result_of(entry, ErrorCode.NONE)
        if is_committed:
            result = result._replace(aborted_transactions=aborted)
        return result, part


def result_of(entry: FetchEntry, error_code: int) -> FetchResult:
    partition = entry.partition
    assert partition is not None, "an entry that can be told without an error has been found"
    return FetchResult(
        entry.wanted.partition,
        error_code,
        partition.high_watermark,
        partition.last_stable_offset,
        partition.log.log_start_offset,
    )


def damaged(broker: "Broker", entry: FetchEntry, error: DamagedLog) -> FetchResult:
    """The log could not be opened, or what was to be read is not what was written."""
    if entry.partition is None:
        return FetchResult(entry.wanted.partition, error.code)
    return result_of(entry, broker.found_damage(entry.partition, error))


def refuse_zstd(part: LogSlice) -> None:
    """A client older than KIP-110 cannot read zstd; its first batch speaks for the rest."""
    if read_header(part.read_bytes()).compression == ZSTD:
        raise UnsupportedCompression


def ended(out: bytearray, version: int) -> list[Buffer]:
    write_end(out, version)
    return [bytes(out)]
