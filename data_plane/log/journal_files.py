"""`DiskFiles` that write down what they do, so that a power loss can be played back (test only).

kill -9 keeps the page cache, so it never tests a sync. These files keep a journal of each change
and each sync; after the kill, power_loss.py in the tests takes from the data directory what
no sync had confirmed. Behind `ottla-broker run --fault-seams`; no other program uses them.

The journal is one JSON array per line, its kind first:

    create path inode   append inode old_size size   truncate inode old_size size kept_copy|null
    rename source target kept|null   remove path kept   remove-tree path kept   make-directory path
    sync-begin id inode|path|null    sync-end id        (null: the whole file system)

A sync covers what stands before its begin, once its end is there. What a rename, a removal or a
truncation would destroy is kept in `<journal>.kept`, on the same file system.
"""

import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from threading import Lock as ThreadLock

from data_plane.log.files import Bytes, DiskFile, DiskFiles, File


class Journal:
    """An append-only file; each line is one write, so that a kill cuts none but the last."""

    def __init__(self, path: Path) -> None:
        self.kept = path.with_name(path.name + ".kept")
        self.kept.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(
            path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._lock = ThreadLock()
        self._ids = itertools.count(1)
        self._names = f"{os.getpid()}-"

    def note(self, *fields: object) -> None:
        line = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            os.write(self._descriptor, line)

    def begin_sync(self, what: object) -> str:
        number = self.new_name()
        self.note("sync-begin", number, what)
        return number

    def new_name(self) -> str:
        """A name that no other process of this journal gives."""
        return self._names + str(next(self._ids))


class JournalFile:
    """One open file whose changes are noted; the bytes themselves stay in the file."""

    __slots__ = ("_file", "_inode", "_journal")

    def __init__(self, file: DiskFile, journal: Journal) -> None:
        self._file = file
        self._journal = journal
        self._inode = os.fstat(file.descriptor).st_ino

    @property
    def descriptor(self) -> int:
        return self._file.descriptor

    def read(self, position: int, size_bytes: int) -> bytes:
        return self._file.read(position, size_bytes)

    def append(self, parts: Sequence[Bytes], size_bytes: int) -> None:
        old_size = self._file.size_bytes()
        try:
            self._file.append(parts, size_bytes)
        finally:  # A part may be there after an error.
            self._journal.note("append", self._inode, old_size, self._file.size_bytes())

    def truncate(self, size_bytes: int) -> None:
        old_size = self._file.size_bytes()
        kept = None
        if size_bytes < old_size:
            kept = self._journal.kept / self._journal.new_name()
            kept.write_bytes(self._file.read(size_bytes, old_size - size_bytes))
        self._file.truncate(size_bytes)
        shown = None if kept is None else str(kept)
        self._journal.note("truncate", self._inode, old_size, size_bytes, shown)

    def reserve(self, size_bytes: int) -> None:
        self._file.reserve(size_bytes)

    def sync(self) -> None:
        number = self._journal.begin_sync(self._inode)
        self._file.sync()
        self._journal.note("sync-end", number)

    def size_bytes(self) -> int:
        return self._file.size_bytes()


class JournalFiles(DiskFiles):
    """The machine's file system, with a journal of what is done to it."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def open(self, path: PurePath, *, create: bool = False) -> File:  # type: ignore[override]  # the journal's file is its own
        is_new = create and not os.path.exists(path)
        file = JournalFile(super().open(path, create=create), self._journal)
        if is_new:
            self._journal.note("create", str(path), os.stat(path).st_ino)
        return file

    def create(self, path: PurePath) -> None:
        is_new = not os.path.exists(path)
        super().create(path)
        if is_new:
            self._journal.note("create", str(path), os.stat(path).st_ino)

    def make_directory(self, directory: PurePath) -> None:
        missing = [d for d in (directory, *directory.parents) if not os.path.exists(d)]
        super().make_directory(directory)
        for one in reversed(missing):
            self._journal.note("make-directory", str(one))

    def rename(self, source: PurePath, target: PurePath) -> None:
        kept = self._keep(target) if os.path.isfile(target) else None
        super().rename(source, target)
        self._journal.note("rename", str(source), str(target), kept)

    def remove(self, path: PurePath) -> None:
        kept = self._keep(path)
        super().remove(path)
        self._journal.note("remove", str(path), kept)

    def remove_tree(self, directory: PurePath) -> None:
        kept = self._journal.kept / self._journal.new_name()
        super().rename(directory, kept)
        self._journal.note("remove-tree", str(directory), str(kept))

    def sync_directory(self, directory: PurePath) -> None:
        number = self._journal.begin_sync(str(directory))
        super().sync_directory(directory)
        self._journal.note("sync-end", number)

    def sync_file_system(self, directory: PurePath) -> bool:
        number = self._journal.begin_sync(None)
        is_done = super().sync_file_system(directory)
        if is_done:
            self._journal.note("sync-end", number)
        return is_done

    def _keep(self, path: PurePath) -> str:
        """Hold a file that is about to lose its name by another one."""
        kept = self._journal.kept / self._journal.new_name()
        os.link(path, kept)
        return str(kept)
