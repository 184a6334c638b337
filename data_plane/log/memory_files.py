"""The in-memory twin of DiskFiles: knows which bytes and names are durable, and can crash.

It is stricter than a real disk: a name is durable only after sync_directory of its directory, and
a crash may keep any prefix of the bytes appended since the last sync, the last part damaged.
"""

import errno
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

from data_plane.log.failures import DirectoryRefused
from data_plane.log.files import Bytes, DiskSpace

TIB = 1 << 40


@dataclass(slots=True)
class Fault:
    """The next `times` calls of `operation` on a path that contains `path_part` fail.

    operation: append, sync, truncate, sync_directory, sync_file_system, read or rename. An append
    writes `bytes_before` bytes first, as a real short write does.
    """

    operation: str
    error: int
    path_part: str = ""
    bytes_before: int = 0
    times: int = 1


class PowerCut(BaseException):
    """The ordered end of power; nothing may catch it but the test, which then calls `crash`."""


class MemoryFile:
    """Bytes as the process sees them, beside the bytes that a power loss would leave."""

    descriptor = -1

    def __init__(self, files: "MemoryFiles", path: PurePath) -> None:
        self._files = files
        self.path = path
        self.content = bytearray()
        self.durable = bytearray()
        self._shared_bytes = 0  # How long a prefix both have in common.
        # What a failed sync has dropped: it can be read, and later syncs leave a hole there.
        self._dropped = range(0)
        self.reserved_end = 0  # so many bytes are this file's, whether it has grown so far or not

    def read(self, position: int, size_bytes: int) -> bytes:
        self._files.trip("read", self.path)
        return bytes(self.content[position : position + size_bytes])

    def append(self, parts: Sequence[Bytes], size_bytes: int) -> None:
        joined = b"".join(parts)
        assert len(joined) == size_bytes, "an append must say how long it is"
        fault = self._files.fault("append", self.path)
        if fault is not None:
            self.content += joined[: fault.bytes_before]
            raise OSError(fault.error, os.strerror(fault.error))
        fits = self._files.room_for(size_bytes, reserved=self.reserved_end - len(self.content))
        self.content += joined[:fits]
        if fits < size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def truncate(self, size_bytes: int) -> None:
        self._files.trip("truncate", self.path)
        del self.content[size_bytes:]
        self.content.extend(bytes(size_bytes - len(self.content)))
        self._shared_bytes = min(self._shared_bytes, size_bytes)
        self._dropped = range(self._dropped.start, min(self._dropped.stop, size_bytes))
        self.reserved_end = 0

    def reserve(self, size_bytes: int) -> None:
        limit = self._files.reserve_bytes_max
        wanted = size_bytes if limit is None else min(size_bytes, limit)
        end = len(self.content) + wanted
        more = end - max(len(self.content), self.reserved_end)
        if self._files.room_for(more) < more:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.reserved_end = max(end, self.reserved_end)

    @property
    def taken_bytes(self) -> int:
        return max(len(self.content), self.reserved_end)

    def sync(self) -> None:
        try:
            self._files.trip("sync", self.path)
        except OSError:
            self.drop()
            raise
        self.make_durable()

    def make_durable(self) -> None:
        self.durable[self._shared_bytes :] = self.content[self._shared_bytes :]
        self._shared_bytes = len(self.content)
        if self._dropped:
            self.durable[self._dropped.start : self._dropped.stop] = bytes(len(self._dropped))
            self._shared_bytes = self._dropped.start

    def drop(self) -> None:
        """A sync has failed: what was not durable counts as written from now on, and is not."""
        start = self._dropped.start if self._dropped else self._shared_bytes
        self._dropped = range(start, len(self.content))

    def size_bytes(self) -> int:
        return len(self.content)

    @property
    def durable_prefix_bytes(self) -> int:
        """How much of what the process sees is durable as it is."""
        return self._shared_bytes

    def lose_power(self, rng: random.Random | None) -> None:
        """Keep the durable bytes and, if nothing was cut since, a damaged part of the rest."""
        kept = bytes(self.durable)
        if rng is not None and self._shared_bytes == len(self.durable):
            kept += torn(bytes(self.content[self._shared_bytes :]), rng)
        self.content = bytearray(kept)
        self.durable = bytearray(kept)
        self._shared_bytes = len(kept)
        self._dropped = range(0)


def torn(tail: bytes, rng: random.Random) -> bytes:
    """Return a random prefix of `tail` in which, half the time, one page reads as zeros."""
    kept = bytearray(tail[: rng.randint(0, len(tail))])
    if kept and rng.random() < 0.5:
        hole = rng.randrange(len(kept))
        kept[hole : hole + 512] = bytes(len(kept[hole : hole + 512]))
    return bytes(kept)


@lru_cache(maxsize=1 << 16)
def folder_of(path: PurePath) -> str:
    """The name of the directory that a path is in; asked of every path at every sync of one."""
    return str(path.parent)


class MemoryLock:
    """A claim in a MemoryFiles."""

    def __init__(self, held: set[PurePath], path: PurePath) -> None:
        self._held, self._path = held, path

    def release(self) -> None:
        self._held.discard(self._path)


class MemoryFiles:
    """A file system in dictionaries, with faults and power losses on order."""

    def __init__(self, capacity_bytes: int = TIB) -> None:
        self.capacity_bytes = capacity_bytes
        self.faults: list[Fault] = []
        self.changes = 0  # calls that change something, so that a test may cut power at each
        self.changes_max: int | None = None
        self.unreadable: set[str] = set()  # parts of paths that give EIO, whoever reads them
        self.has_syncfs = True
        self.reserve_bytes_max: int | None = None  # so that a full disk stops even who reserves
        self.sync_count = 0
        self._files: dict[PurePath, MemoryFile] = {}
        self._durable_names: dict[PurePath, MemoryFile] = {}
        self._directories: set[PurePath] = set()
        self._durable_directories: set[PurePath] = set()
        # Folder -> the names in it that are not on the disk as the process sees them.
        self._changed: dict[str, dict[PurePath, None]] = {}
        self._allocated: dict[PurePath, int] = {}
        self._locks: set[PurePath] = set()

    # What a test may order.

    def fail(self, operation: str, error: int, path_part: str = "", **more: int) -> None:
        """Let the next call of `operation` fail; see Fault."""
        self.faults.append(Fault(operation, error, path_part, **more))

    def crash(self, rng: random.Random | None = None) -> None:
        """Lose power: un-synced names and bytes go; with `rng`, a torn part of the bytes stays."""
        self._directories = {d for d in self._durable_directories if self._is_rooted(d)}
        self._files = {
            p: f for p, f in self._durable_names.items() if p.parent in self._directories
        }
        for path, file in self._files.items():
            file.path = path
            file.lose_power(rng)
        self._make_names_durable()
        self.kill()

    def kill(self) -> None:
        """Lose the process but not the machine: the page cache stays, locks go."""
        self.changes_max = None
        self._locks.clear()
        self.faults.clear()

    def durable_bytes(self, path: PurePath) -> int:
        """How long a prefix of a file a power loss leaves for certain; 0 if its name would go."""
        file = self._durable_names.get(path)
        if file is None or file is not self._files.get(path):
            return 0
        return file.durable_prefix_bytes

    def copy(self) -> "MemoryFiles":
        """Return an independent copy, so that a test may try many endings of one history."""
        twin = MemoryFiles(self.capacity_bytes)
        twin._directories = set(self._directories)
        twin._durable_directories = set(self._directories)
        for path, file in self._files.items():
            copied = twin._files[path] = MemoryFile(twin, path)
            copied.content = bytearray(file.content)
            copied.make_durable()
        twin._durable_names = dict(twin._files)
        return twin

    def fault(self, operation: str, path: PurePath) -> Fault | None:
        """Return the fault ordered for this call, and count it as used."""
        if operation != "read":
            self._change()
        for fault in self.faults:
            if fault.operation == operation and fault.path_part in str(path):
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault
        return None

    def _change(self) -> None:
        if self.changes == self.changes_max:
            raise PowerCut
        self.changes += 1

    def trip(self, operation: str, path: PurePath) -> None:
        fault = self.fault(operation, path)
        if fault is not None:
            raise OSError(fault.error, os.strerror(fault.error))
        if operation == "read" and any(part in str(path) for part in self.unreadable):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.sync_count += operation in ("sync", "sync_directory")

    def free_bytes(self) -> int:
        used = sum(f.taken_bytes for f in self._files.values()) + sum(self._allocated.values())
        return max(0, self.capacity_bytes - used)

    def room_for(self, size_bytes: int, *, reserved: int = 0) -> int:
        """How many of so many bytes fit; nobody counts what is on a disk that is never full."""
        is_endless = self.capacity_bytes >= TIB
        if is_endless or size_bytes <= reserved:
            return size_bytes
        return min(size_bytes, self.free_bytes() + max(0, reserved))

    def names_of(self, name: str) -> list[PurePath]:
        """Where there are files of that name."""
        return [path for path in self._files if path.name == name]

    # Files.

    def open(self, path: PurePath, *, create: bool = False) -> MemoryFile:
        file = self._files.get(path)
        if file is None:
            if not create or path.parent not in self._directories:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            self._change()
            file = self._files[path] = MemoryFile(self, path)
            self._note(path)
        return file

    def create(self, path: PurePath) -> None:
        self.open(path, create=True)

    def exists(self, path: PurePath) -> bool:
        return path in self._files or path in self._directories or path in self._allocated

    def size_bytes(self, path: PurePath) -> int:
        return self.open(path).size_bytes()

    def list_names(self, directory: PurePath) -> list[str]:
        if directory not in self._directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(directory))
        known = (*self._files, *self._directories, *self._allocated)
        folder = str(directory)
        return sorted(p.name for p in known if folder_of(p) == folder and p != directory)

    def make_directory(self, directory: PurePath) -> None:
        if directory not in self._directories:
            self._change()
        for one in (directory, *directory.parents):
            if one not in self._directories:
                self._directories.add(one)
                self._note(one)

    def rename(self, source: PurePath, target: PurePath) -> None:
        self.trip("rename", source)
        if source in self._files:
            self._files[target] = self._files.pop(source)
            self._files[target].path = target
            self._note(source)
            self._note(target)
            return
        if source not in self._directories:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
        for path in [p for p in self._files if source in p.parents]:
            moved = target / path.relative_to(source)
            self._files[moved] = self._files.pop(path)
            self._files[moved].path = moved
            self._note(path)
            self._note(moved)
        for path in [d for d in self._directories if d == source or source in d.parents]:
            moved = target / path.relative_to(source)
            self._directories.remove(path)
            self._directories.add(moved)
            self._note(path)
            self._note(moved)

    def remove(self, path: PurePath) -> None:
        self._change()
        if self._allocated.pop(path, None) is None:
            del self._files[path]
            self._note(path)

    def remove_tree(self, directory: PurePath) -> None:
        for path in [p for p in self._files if directory in p.parents]:
            del self._files[path]
            self._note(path)
        for path in [d for d in self._directories if d == directory or directory in d.parents]:
            self._directories.remove(path)
            self._note(path)

    def sync_directory(self, directory: PurePath) -> None:
        self.trip("sync_directory", directory)
        changed = self._changed.pop(str(directory), {})
        if directory in self._directories:
            changed[directory] = None
        for path in changed:
            file = self._files.get(path)
            if file is not None:
                self._durable_names[path] = file
            else:
                self._durable_names.pop(path, None)
            if path in self._directories:
                self._durable_directories.add(path)
            elif path != directory:
                self._durable_directories.discard(path)

    def _note(self, path: PurePath) -> None:
        """The name came or went, and is as it is now once its directory is synced."""
        self._changed.setdefault(folder_of(path), {})[path] = None

    def _make_names_durable(self) -> None:
        self._durable_names = dict(self._files)
        self._durable_directories = set(self._directories)
        self._changed.clear()

    def watch(self, directory: PurePath) -> None:
        """Its faults are told to whoever syncs."""

    def sync_file_system(self, directory: PurePath) -> bool:
        if not self.has_syncfs:
            return False
        try:
            self.trip("sync_file_system", directory)
        except OSError:
            for file in self._files.values():
                file.drop()
            raise
        for file in self._files.values():
            file.make_durable()
        self._make_names_durable()
        return True

    def allocate(self, path: PurePath, size_bytes: int) -> None:
        if size_bytes > self.free_bytes():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._allocated[path] = size_bytes

    def space(self, directory: PurePath) -> DiskSpace:  # noqa: ARG002 - one disk for all directories
        return DiskSpace(self.free_bytes(), self.capacity_bytes)

    def lock(self, path: PurePath) -> MemoryLock:
        if path in self._locks:
            raise DirectoryRefused(f"{path.parent} is in use by another process")
        self._locks.add(path)
        return MemoryLock(self._locks, path)

    def _is_rooted(self, directory: PurePath) -> bool:
        """Say whether every directory above is durable too; the root of the tree always is."""
        above = [d for d in directory.parents if d.parent != d]
        return all(d in self._durable_directories for d in above)
