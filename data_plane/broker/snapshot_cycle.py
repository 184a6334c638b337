"""Keeps the metadata log short: writes a snapshot beside the work, cuts the log between syncs."""

import logging
from collections.abc import Callable

from data_plane.metadata.controller import Controller
from data_plane.raft.durable import LogCut
from data_plane.raft.failures import DiskFull
from data_plane.raft.snapshot import SnapshotDraft
from data_plane.replication.executor import Done, Executor

log = logging.getLogger(__name__)


class SnapshotCycle:
    """One snapshot at a time. A full disk puts it off until the log has grown as much again.

    Each `done` is told the error that must end the process, or None.
    """

    def __init__(self, controller: Controller, executor: Executor, log_bytes_max: int) -> None:
        self._controller = controller
        self._executor = executor
        self._log_bytes_max = log_bytes_max
        self._refused_at_bytes = 0
        self._is_writing = False
        self._published: SnapshotDraft | None = None

    @property
    def may_cut(self) -> bool:
        """A snapshot is published: the log can be cut as soon as nothing is being persisted."""
        return self._published is not None

    @property
    def is_busy(self) -> bool:
        """The files of a snapshot are being written: a leader's must not come between."""
        return self._is_writing

    def start(self, done: Done) -> None:
        """Begin a snapshot if the log has grown enough; the log may grow on meanwhile."""
        wanted_bytes = self._log_bytes_max + self._refused_at_bytes
        if self._is_writing or not self._controller.wants_snapshot(wanted_bytes):
            return
        self._is_writing = True
        draft = self._controller.draft_snapshot()
        self._executor.submit([draft.write], lambda error: self._written(draft, error, done))

    def _written(self, draft: SnapshotDraft, error: BaseException | None, done: Done) -> None:
        if error is None:
            error = _error_of(draft.publish)
        if error is None:
            self._published = draft
        else:
            self._is_writing = False
            if isinstance(error, DiskFull):
                error = self._put_off(draft.abandon)
        done(error)

    def cut(self, done: Done) -> None:
        """Cut the log; nothing may be persisted until `done`."""
        draft, self._published = self._published, None
        assert draft is not None, "a cut follows a published snapshot"
        cut = self._controller.disk.begin_cut(draft.last_offset)
        self._executor.submit([cut.write], lambda error: self._cut_written(cut, draft, error, done))

    def _cut_written(
        self, cut: LogCut, draft: SnapshotDraft, error: BaseException | None, done: Done
    ) -> None:
        self._is_writing = False
        disk = self._controller.disk
        if error is None:
            before = disk.log_bytes
            error = _error_of(lambda: disk.finish_cut(cut, draft.size_bytes))
            self._refused_at_bytes = 0
            if error is None:
                self._controller.was_cut(draft.last_offset, draft.term)
            log.info("metadata log cut from %d to %d bytes", before, disk.log_bytes)
        elif isinstance(error, DiskFull):
            error = self._put_off(disk.abandon_cut)
        done(error)

    def _put_off(self, abandon: Callable[[], None]) -> BaseException | None:
        log.warning("no room for a snapshot of the metadata")
        self._refused_at_bytes = self._controller.disk.log_bytes
        return _error_of(abandon)


def _error_of(call: Callable[[], None]) -> BaseException | None:
    try:
        call()
    except Exception as error:
        return error
    return None
