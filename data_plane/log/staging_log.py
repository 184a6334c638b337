"""Taking batches into a partition's log: judged, given offsets in place, kept for `write`.

What is staged is not in the log yet: not readable, not counted.
"""

from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from typing import Final, NamedTuple, cast

from data_plane.log.files import Files
from data_plane.log.log_config import LogConfig
from data_plane.log.producer_state import Producer
from data_plane.log.readable_log import ReadableLog
from data_plane.log.recompress import recompress
from data_plane.log.recovery import LoadedLog
from data_plane.log.replicated import replicated_batches
from data_plane.log.segment import StagedBatch, staged_batch
from data_plane.log.txn_rebuild import marker_of
from data_plane.log.validate import check_form, check_whole_client_batch
from data_plane.protocol.errors import FencedLeaderEpoch, InvalidTxnState
from data_plane.protocol.records.batch import (
    BatchHeader,
    assign,
    check_crc,
    iter_batches,
    stamp_append_time,
)

NO_APPEND_TIME = -1


class StagedAppend(NamedTuple):
    """What an append will have done once `write` has returned; for a duplicate, what it did."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int  # -1 under CreateTime
    record_count: int
    size_bytes: int
    is_duplicate: bool


# The class itself would call back into Python for each batch.
_staged_append: Final = cast(
    Callable[[tuple[int, int, int, int, int, bool]], StagedAppend],
    partial(tuple.__new__, StagedAppend),
)


class StagingLog(ReadableLog):
    """Takes batches from clients, coordinators and leaders; any number of them in a turn."""

    def __init__(
        self, files: Files, directory: PurePath, config: LogConfig, loaded: LoadedLog
    ) -> None:
        super().__init__(files, directory, config, loaded)
        self._staged: list[StagedBatch] = []
        self._staged_bytes = 0
        self._staged_end = self.log_end_offset
        self._staged_epoch = self._epochs.latest
        self._undo: list[tuple[int, int, Producer | None]] = []  # base offset, producer id, before
        self._has_marker = False  # among what is staged
        self.wall_ahead_ms = 0  # so much later records may be stamped than the broker's clock says

    def stage(
        self,
        batches: memoryview,
        *,
        leader_epoch: int,
        now_ms: int,
        is_client: bool = True,
        is_verified: bool = False,
        is_first: bool = False,
    ) -> StagedAppend:
        """Validate whole record batches and give them offsets, in place; write() follows.

        batches: writable v2 batches back to back, not copied, to stay untouched until write();
        from a client exactly one. now_ms: Unix milliseconds. A repeated batch is not staged: the
        answer names its first offsets. is_verified: the transaction's coordinator knows that this
        partition is in it, without which no client may open one here (KIP-890). is_first: the
        transaction has an epoch of its own, which begins with this batch if it opens it here.
        Promises nothing about durability.
        Raises a KafkaError with the client's code, the log then unchanged.
        Source: KIP-98 (batch v2, sequences), KIP-101 (leader epochs).
        """
        if leader_epoch < self._staged_epoch:
            raise FencedLeaderEpoch(
                f"epoch {leader_epoch} may not append after {self._staged_epoch}"
            )
        self._now_ms = now_ms
        if not is_client:
            return self._stage_internal(batches, leader_epoch, now_ms)
        header = check_whole_client_batch(batches, self.config, now_ms, self.wall_ahead_ms)
        if header.producer_id >= 0:
            earlier = self._producers.check(header, is_first=is_first)
            if earlier is not None:
                return StagedAppend(
                    earlier.base_offset,
                    earlier.last_offset,
                    earlier.append_time_ms,
                    header.records_count,
                    header.size_bytes,
                    is_duplicate=True,
                )
            if header.is_transactional and not is_verified:
                self._check_open(header)
        wanted = self.config.compression
        if wanted is not None and wanted != header.compression:
            batches, header = recompress(batches, header, self.config)
        return self._stage_batch(batches, header, leader_epoch, now_ms)

    def _check_open(self, header: BatchHeader) -> None:
        if not self._producers.is_in_transaction(header.producer_id, header.producer_epoch):
            raise InvalidTxnState("the producer has no open transaction on this partition")

    def _stage_internal(self, batches: memoryview, leader_epoch: int, now_ms: int) -> StagedAppend:
        """Stage a coordinator's batches, control batches included; all of them or none."""
        found = list(iter_batches(batches))
        for at, header in found:
            check_crc(batches, at, header)
            check_form(header)
        staged = [
            self._stage_batch(batches[at : at + h.size_bytes], h, leader_epoch, now_ms)
            for at, h in found
        ]
        return StagedAppend(
            staged[0].base_offset if staged else self._staged_end,
            self._staged_end - 1,
            staged[0].log_append_time_ms if staged else NO_APPEND_TIME,
            sum(s.record_count for s in staged),
            len(batches),
            is_duplicate=False,
        )

    def _stage_batch(
        self, batch: memoryview, header: BatchHeader, leader_epoch: int, now_ms: int
    ) -> StagedAppend:
        base_offset = self._staged_end
        last_offset = base_offset + header.last_offset_delta
        assign(batch, 0, base_offset, leader_epoch)
        append_time_ms, max_timestamp_ms = NO_APPEND_TIME, header.max_timestamp
        if self.config.is_log_append_time:
            append_time_ms = max_timestamp_ms = now_ms
            stamp_append_time(batch, 0, header, now_ms)
        if header.producer_id >= 0:
            before = self._producers.note(
                header,
                base_offset,
                append_time_ms=append_time_ms,
                now_ms=now_ms,
                marker=marker_of(batch, header) if header.is_control else None,
            )
            self._undo.append((base_offset, header.producer_id, before))
            self._has_marker |= header.is_control
        size_bytes = header.batch_length + 12
        self._staged.append(
            staged_batch(
                (batch, size_bytes, base_offset, last_offset, leader_epoch, max_timestamp_ms)
            )
        )
        self._staged_bytes += size_bytes
        self._staged_end = last_offset + 1
        self._staged_epoch = leader_epoch
        return _staged_append(
            (base_offset, last_offset, append_time_ms, header.records_count, size_bytes, False)
        )

    def stage_replicated(self, batches: memoryview, *, leader_epoch: int, now_ms: int) -> None:
        """Take a leader's batches exactly as they are; write() follows.

        batches: not copied, to stay untouched until write(). leader_epoch: of the leader that sent
        them. Raises CorruptBatch, DiskFull or LogFailure, the log then unchanged.
        """
        self._now_ms = now_ms
        found = list(
            replicated_batches(
                batches,
                end_offset=self._staged_end,
                latest_epoch=self._staged_epoch,
                leader_epoch=leader_epoch,
            )
        )
        self._look_for_gaps([header for _, header in found])
        for at, header in found:
            batch = batches[at : at + header.size_bytes]
            if header.producer_id >= 0:
                self._note_replicated(batch, header, now_ms)
            self._staged.append(
                StagedBatch(
                    batch,
                    header.size_bytes,
                    header.base_offset,
                    header.last_offset,
                    header.partition_leader_epoch,
                    header.max_timestamp,
                )
            )
            self._staged_bytes += header.size_bytes
            self._staged_end = header.next_offset
            self._staged_epoch = header.partition_leader_epoch

    def _look_for_gaps(self, headers: list[BatchHeader]) -> None:
        """Have it known before they are written that the leader's compaction left gaps in them."""
        end, gaps_end = self._staged_end, 0
        for header in headers:
            if header.base_offset > end:
                gaps_end = header.base_offset
            end = header.next_offset
        if gaps_end:
            self._note_gaps(gaps_end)

    def _note_gaps(self, gaps_end: int) -> None:
        """Below `gaps_end` offsets may be missing; the layer that knows of compaction keeps it."""
        raise NotImplementedError

    def _note_replicated(self, batch: memoryview, header: BatchHeader, now_ms: int) -> None:
        before = self._producers.note(
            header,
            header.base_offset,
            append_time_ms=header.max_timestamp if header.timestamp_type else NO_APPEND_TIME,
            now_ms=now_ms,
            marker=marker_of(batch, header) if header.is_control else None,
        )
        self._undo.append((header.base_offset, header.producer_id, before))
        self._has_marker |= header.is_control
