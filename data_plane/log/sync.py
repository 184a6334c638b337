"""Make what logs wrote durable, many logs in one go, off the loop.

The loop takes tickets, an executor thread runs them, the loop completes them. A ticket says what
was true when it was taken; a log whose generation has risen since then drops it (durability.md 2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from data_plane.log.failures import LogFailure
from data_plane.log.files import File, Files

FDATASYNC_FILES_MAX = 8  # Above, one syncfs is quicker than many fdatasyncs (measured).


@dataclass(frozen=True, slots=True)
class SyncTicket:
    """What must become durable before `end_offset` is synced.

    The files are held open, so that renaming or removing them meanwhile does no harm.
    """

    files: Files
    directory: PurePath
    generation: int  # of the log, at the time
    end_offset: int
    change: int  # the log's last change that this ticket covers
    dirty: tuple[tuple[PurePath, File], ...]
    is_directory_dirty: bool
    unsynced_bytes: int  # of records, that it makes durable
    # A checkpoint at `end_offset` is due, and what is then noted beside it; None: it is not due.
    resume_point: bytes | None = None

    def run(self) -> None:
        """Block until everything is durable. Raises LogFailure; never run it again then."""
        for path, file in self.dirty:
            sync_file(path, file)
        self.run_directory()

    def run_directory(self) -> None:
        if self.is_directory_dirty:
            sync_directory(self.files, self.directory)


def sync_file(path: PurePath, file: File) -> None:
    """Make a file's bytes durable; raises LogFailure."""
    try:
        file.sync()
    except OSError as error:
        raise LogFailure(path, "sync", error) from error


def sync_directory(files: Files, directory: PurePath) -> None:
    """Make a directory's names durable; raises LogFailure. A deleted one has nothing to keep."""
    try:
        files.sync_directory(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LogFailure(directory, "sync", error) from error


def sync_file_system(files: Files, directory: PurePath) -> bool:
    """Make all of a file system durable; False where that cannot be done. Raises LogFailure."""
    try:
        return files.sync_file_system(directory)
    except OSError as error:
        raise LogFailure(directory, "sync", error) from error


class SyncState:
    """What one log has written and not yet made durable, and which tickets still count."""

    def __init__(self, files: Files, directory: PurePath) -> None:
        self._files, self._directory = files, directory
        self._generation = 0
        self._change = 0
        self._dirty: dict[PurePath, int] = {}  # path -> its last change
        self._directory_change = 0  # 0: its names are durable
        self.unsynced_bytes = 0  # of records; to be read only

    @property
    def is_dirty(self) -> bool:
        return bool(self._dirty) or self._directory_change > 0

    def mark_file(self, path: PurePath, appended_bytes: int = 0) -> None:
        """Note that a file's bytes or size changed."""
        self.unsynced_bytes += appended_bytes
        self._change += 1
        self._dirty[path] = self._change

    def mark_directory(self) -> None:
        """Note that names changed."""
        self._change += 1
        self._directory_change = self._change

    def forget(self, path: PurePath) -> None:
        """A file that is removed needs no sync."""
        self._dirty.pop(path, None)

    def raise_generation(self) -> None:
        """Let every ticket taken so far be stale."""
        self._generation += 1

    def ticket(
        self, end_offset: int, *, holds_files: bool = True, resume_point: bytes | None = None
    ) -> SyncTicket:
        """holds_files: False if the whole file system is to be synced for it, by no file's name.

        resume_point: what goes beside a checkpoint at `end_offset`, if one is due.
        """
        return SyncTicket(
            files=self._files,
            directory=self._directory,
            generation=self._generation,
            end_offset=end_offset,
            change=self._change,
            dirty=tuple(
                (path, self._files.open(path)) for path in (self._dirty if holds_files else ())
            ),
            is_directory_dirty=self._directory_change > 0,
            unsynced_bytes=self.unsynced_bytes,
            resume_point=resume_point,
        )

    def complete(self, ticket: SyncTicket) -> bool:
        """Take what a ticket covered as durable; False if the ticket is stale."""
        if ticket.generation != self._generation:
            return False
        self.unsynced_bytes -= ticket.unsynced_bytes
        self._dirty = {p: change for p, change in self._dirty.items() if change > ticket.change}
        if self._directory_change <= ticket.change:
            self._directory_change = 0
        return True


class SyncBatch:
    """The tickets of one sync cycle, on one file system.

    `jobs` may run at the same time in several threads, or `run` does them all in one. When all
    have returned, the loop completes each ticket with its log; after a LogFailure none.
    """

    def __init__(
        self, files: Files, tickets: Sequence[SyncTicket], *, is_whole: bool = False
    ) -> None:
        """is_whole: the tickets hold no files, so the file system is synced as a whole."""
        self.tickets = tuple(tickets)
        self._files = files
        self._is_whole = is_whole

    @property
    def jobs(self) -> list[Callable[[], None]]:
        dirty_files = sum(len(t.dirty) + t.is_directory_dirty for t in self.tickets)
        if self._is_whole or (dirty_files > FDATASYNC_FILES_MAX and self._files.has_syncfs):
            return [self._sync_file_system]
        return [ticket.run for ticket in self.tickets]  # By the pool, each log in turn.

    def run(self) -> None:
        for job in self.jobs:
            job()

    def _sync_file_system(self) -> None:
        """One syncfs for all; it also pays for neighbours' dirty pages, so only for many files."""
        is_done = sync_file_system(self._files, self.tickets[0].directory.parent)
        assert is_done, "has_syncfs was asked"
