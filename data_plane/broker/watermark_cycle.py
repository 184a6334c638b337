"""Keeps the high watermarks on disk: every few seconds, off the loop, one draft at a time."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from data_plane.log.disk_space import DiskMark
from data_plane.log.failures import DiskFull, LogFailure
from data_plane.log.log_dir import LogDir
from data_plane.log.watermarks import Row, WatermarkDraft
from data_plane.replication.executor import Executor

INTERVAL_MS: Final = 5_000  # Kafka's replica.high.watermark.checkpoint.interval.ms


class WatermarkCycle:
    """on_failure: storage broke its promise; the broker must end."""

    def __init__(
        self,
        log_dir: LogDir,
        executor: Executor,
        *,
        rows: Callable[[], list[Row]],
        on_failure: Callable[[BaseException], None],
        now_ms: int,
    ) -> None:
        self._log_dir, self._executor = log_dir, executor
        self._rows, self._on_failure = rows, on_failure
        self._due_ms = now_ms + INTERVAL_MS
        self._is_writing = False

    def tick(self, now_ms: int) -> None:
        """Begin a draft if it is time; about once a second is often enough to ask.

        On a disk that is full the older file stays: the room is for those who make room.
        """
        if now_ms < self._due_ms or self._is_writing:
            return
        self._due_ms = now_ms + INTERVAL_MS
        if self._log_dir.disk_mark == DiskMark.FULL:
            return
        with suppress(OSError):  # No room for another name; see above.
            draft = self._log_dir.watermarks.draft(self._rows())
            if draft is not None:
                self._is_writing = True
                self._executor.submit([draft.write], lambda error: self._written(draft, error))

    def _written(self, draft: WatermarkDraft, error: BaseException | None) -> None:
        if error is not None:
            self._ended(None if isinstance(error, DiskFull) else error)
            return
        try:
            is_new = self._log_dir.watermarks.publish(draft)
        except LogFailure as failure:
            self._on_failure(failure)
            raise
        if is_new:
            self._executor.submit([self._log_dir.watermarks.sync_name], self._ended)
        else:
            self._ended(None)

    def _ended(self, error: BaseException | None) -> None:
        self._is_writing = False
        if error is not None:
            self._on_failure(error)  # A sync that failed may have dropped more than this file.

    def close(self) -> None:
        """Write them a last time, durably: the clean mark follows. Raises LogFailure."""
        self._log_dir.watermarks.write(self._rows())
