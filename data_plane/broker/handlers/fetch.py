"""Fetch (key 1) v4-12. v5: log start offset. v7: sessions (answered 0). v9: leader epoch.
v10: zstd. v11: rack, preferred replica. v12: flexible.
"""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.dispatch import Parts
from data_plane.log.failures import DamagedLog
from data_plane.log.partition_log import EMPTY_SLICE, LogSlice
from data_plane.protocol.errors import ErrorCode, KafkaError, UnsupportedCompression
from data_plane.protocol.hot.fetch import (
    FetchCall,
    FetchPartition,
    FetchResult,
    read_fetch,
    write_end,
    write_head,
    write_result,
    write_topic,
)
from data_plane.protocol.primitives import Buffer
from data_plane.protocol.records.batch import read_header
from data_plane.replication.partition import Partition
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 1, range(4, 13)
IS_RAW = True

ZSTD = 4
ZSTD_VERSION_MIN = 10
READ_COMMITTED = 1
CONSUMER = -1

Row = tuple[FetchResult, LogSlice]


def handle(broker: "Broker", ctx: RequestContext, body: memoryview) -> Parts | Parked:
    """Read as far as this kind of reader may see; park until min_bytes are there, max_wait is over,
    or any partition fails (DelayedFetch)."""
    call = read_fetch(body, ctx.api_version)
    if call.session_id != 0 and call.session_epoch > 0:
        error = ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        return _ended(write_head(ctx.api_version, error, 0), ctx.api_version)
    fetch = ParkedFetch(broker, ctx, call)
    return fetch.answer() if fetch.is_due() else fetch


class ParkedFetch(Parked):
    """A fetch, parked on the partitions it reads until it has enough."""

    __slots__ = ("_broker", "_call", "_ctx", "_partitions", "_rows")

    def __init__(self, broker: "Broker", ctx: RequestContext, call: FetchCall) -> None:
        wait_ms = min(max(call.max_wait_ms, 0), broker.config.limits.fetch_wait_ms_max)
        super().__init__(ctx.now_ms + wait_ms, self._at_deadline)
        self._broker = broker
        self._ctx = ctx
        self._call = call
        self._rows: list[tuple[str, list[Row]]] = []
        self._partitions: list[Partition] = []

    def is_due(self) -> bool:
        """Read; True if the answer may leave now, else wait for progress."""
        read_bytes, has_error = self._read()
        if (
            has_error
            or not self._call.topics
            or read_bytes >= self._call.min_bytes
            or self._call.max_wait_ms <= 0
        ):
            return True
        for partition in self._partitions:
            partition.add_progress_waiter(self._woken)
        return False

    def retry(self) -> None:
        """Something moved: answer if it is enough now."""
        if self.is_done:
            return
        read_bytes, has_error = self._read()
        if has_error or read_bytes >= self._call.min_bytes:
            self.complete(self.answer())

    def answer(self) -> list[Buffer]:
        """The response body: heads and record bytes in turn."""
        version = self._ctx.api_version
        throttle_ms = self._throttle()
        parts: list[Buffer] = []
        out = write_head(version, ErrorCode.NONE, len(self._rows), throttle_time_ms=throttle_ms)
        for name, rows in self._rows:
            write_topic(out, version, name, len(rows))
            for result, part in rows:
                found, records = self._records(name, result, part)
                write_result(out, version, found, len(records))
                if records:
                    parts += (bytes(out), records)
                    out.clear()
                write_end(out, version)
            write_end(out, version)
        self._rows = []
        return [*parts, *_ended(out, version)]

    def _throttle(self) -> int:
        """Charge what was read; over the quota, watermarks are told and records are held back."""
        size_bytes = sum(part.size_bytes for _, rows in self._rows for _, part in rows)
        quotas = self._broker.quotas
        may_leave, throttle_ms = quotas.charge_fetch(self._ctx, size_bytes, self._broker.now_ms)
        if not may_leave:
            self._rows = [
                (name, [(result, EMPTY_SLICE) for result, _ in rows]) for name, rows in self._rows
            ]
        return throttle_ms

    def _records(
        self, topic: str, result: FetchResult, part: LogSlice
    ) -> tuple[FetchResult, bytes]:
        """Read what was found; damage found only now is that partition's own error."""
        if not part.size_bytes:
            return result, b""
        try:
            records = part.read_bytes()
        except DamagedLog as error:
            self._broker.quarantine(topic, result.partition, error)
            return FetchResult(result.partition, error.code), b""
        self._broker.metrics.topic(topic).bytes_out += len(records)
        return result, records

    def complete(self, response: object) -> bool:
        self._leave()
        return super().complete(response)

    def abandon(self) -> None:
        self._leave()
        super().abandon()

    def _woken(self) -> None:
        self._broker.wake(self)

    def _at_deadline(self) -> object:
        self._read()
        return self.answer()

    def _leave(self) -> None:
        for partition in self._partitions:
            partition.remove_progress_waiter(self._woken)
        self._partitions = []

    def _read(self) -> tuple[int, bool]:
        """Fill the rows; return the bytes found and whether any partition failed."""
        left = min(self._call.max_bytes, self._broker.config.limits.fetch_bytes_max)
        quota_bytes = self._broker.quotas.fetch_bytes_max(self._ctx)
        left = left if quota_bytes is None else min(left, quota_bytes)
        total, has_error = 0, False
        self._rows, is_first_read = [], not self._partitions
        for name, partitions in self._call.topics:
            rows: list[Row] = []
            for wanted in partitions:
                row, partition = self._read_one(name, wanted, left, at_least_one=not total)
                rows.append(row)
                has_error |= bool(row[0].error_code)
                total += row[1].size_bytes
                left -= row[1].size_bytes
                if partition is not None and is_first_read:
                    self._partitions.append(partition)
            self._rows.append((name, rows))
        return total, has_error

    def _read_one(
        self, topic: str, wanted: FetchPartition, left: int, *, at_least_one: bool
    ) -> tuple[Row, Partition | None]:
        broker, ctx = self._broker, self._ctx
        is_committed = self._call.isolation_level == READ_COMMITTED
        partition = None
        try:
            broker.check_topic(ctx, AclOperation.READ, topic)
            partition = broker.partition(topic, wanted.partition)
            partition.check_epoch(wanted.current_leader_epoch)
            part = partition.read(
                wanted.fetch_offset,
                bytes_max=max(0, min(left, wanted.partition_max_bytes)),
                at_least_one=at_least_one,
                is_committed=is_committed,
            )
            if ctx.api_version < ZSTD_VERSION_MIN and part.size_bytes:
                refuse_zstd(part)
        except KafkaError as error:
            # Watermarks are told even then: lag tools and resets depend on them.
            return (result_of(wanted.partition, error.code, partition), EMPTY_SLICE), None
        result = result_of(wanted.partition, ErrorCode.NONE, partition)
        if is_committed:
            aborted = partition.aborted_transactions(wanted.fetch_offset, part)
            result = result._replace(aborted_transactions=aborted)
        return (result, part), partition


def result_of(index: int, error_code: int, partition: Partition | None) -> FetchResult:
    if partition is None:
        return FetchResult(index, error_code)
    return FetchResult(
        index,
        error_code,
        partition.high_watermark,
        partition.last_stable_offset,
        partition.log.log_start_offset,
    )


def refuse_zstd(part: LogSlice) -> None:
    """A client older than KIP-110 cannot read zstd; its first batch speaks for the rest."""
    if read_header(part.read_bytes()).compression == ZSTD:
        raise UnsupportedCompression


def _ended(out: bytearray, version: int) -> list[Buffer]:
    write_end(out, version)
    return [bytes(out)]
