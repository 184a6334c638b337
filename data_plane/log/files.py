"""The only door to the file system. `DiskFiles` is the real one; memory_files.py is its twin.

Rules for callers: `open` is called on the loop's thread only; a `File` that somebody holds stays
usable after it left the cache, was renamed or unlinked, so sync tickets and extents being sent
need no locks. Errors are plain OSError; partition_log.py decides what each one means.
"""

import ctypes
import errno
import fcntl
import functools
import os
import re
import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import NamedTuple, Protocol

from data_plane.log.failures import DirectoryRefused

Bytes = bytes | bytearray | memoryview

OPEN_FILES_MAX = 512
COPIED_TOGETHER_BYTES = 1 << 20
FALLOC_FL_KEEP_SIZE = 1  # linux/falloc.h
IOVECS_MAX = 1000  # IOV_MAX is 1024 on Linux and macOS.


class DiskSpace(NamedTuple):
    """What a file system has, in bytes; `free_bytes` is what an ordinary user may still use."""

    free_bytes: int
    total_bytes: int


class File(Protocol):
    """One open file that grows at its end."""

    @property
    def descriptor(self) -> int:
        """The file descriptor for sendfile, or -1 where there is none."""

    def read(self, position: int, size_bytes: int) -> bytes:
        """Return up to `size_bytes` from `position`; shorter only at the end of the file."""

    def append(self, parts: Sequence[Bytes], size_bytes: int) -> None:
        """Write all parts, `size_bytes` together, at the end. On OSError a part may be there."""

    def truncate(self, size_bytes: int) -> None: ...

    def reserve(self, size_bytes: int) -> None:
        """Take room for that many bytes behind the end, which stays where it is.

        Appends use it up, whatever else fills the disk; a truncation gives it back. Raises OSError
        where there is no room; does nothing where the file system cannot do it.
        """

    def sync(self) -> None:
        """Return once the bytes and the size are durable. The name may not be: sync_directory."""

    def size_bytes(self) -> int: ...


class Lock(Protocol):
    """An exclusive claim that ends with `release` or with the process."""

    def release(self) -> None: ...


class Files(Protocol):
    """A file system, as little of it as a log needs."""

    def open(self, path: PurePath, *, create: bool = False) -> File:
        """Return the file, from a cache of open ones. Raises FileNotFoundError unless `create`."""

    def create(self, path: PurePath) -> None:
        """Make an empty file, unless it is there; in any thread."""

    def exists(self, path: PurePath) -> bool: ...

    def size_bytes(self, path: PurePath) -> int:
        """Return a file's size without opening it."""

    def list_names(self, directory: PurePath) -> list[str]:
        """Return the names in a directory, sorted; raises FileNotFoundError."""

    def make_directory(self, directory: PurePath) -> None:
        """Create a directory and its parents; no error if it is there."""

    def rename(self, source: PurePath, target: PurePath) -> None:
        """Give a file or directory a new name, replacing a file of that name."""

    def remove(self, path: PurePath) -> None: ...

    def remove_tree(self, directory: PurePath) -> None: ...

    def sync_directory(self, directory: PurePath) -> None:
        """Return once the names in a directory are durable."""

    @property
    def has_syncfs(self) -> bool:
        """`sync_file_system` can be had here."""

    def watch(self, directory: PurePath) -> None:
        """From now on `sync_file_system` raises for every write to its file system that failed."""

    def sync_file_system(self, directory: PurePath) -> bool:
        """Sync everything on the file system of `directory`; False where it cannot be done."""

    def allocate(self, path: PurePath, size_bytes: int) -> None:
        """Create a file whose blocks are taken but not written."""

    def space(self, directory: PurePath) -> DiskSpace: ...

    def lock(self, path: PurePath) -> Lock:
        """Claim the file for this process; raises DirectoryRefused if another one has it."""


class DiskFile:
    """A descriptor that closes itself with its last holder."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    def read(self, position: int, size_bytes: int) -> bytes:
        got = os.pread(self.descriptor, size_bytes, position)
        if len(got) == size_bytes or not got:
            return got
        parts = [got]  # A short read is the end of the file, or a signal; only reading tells.
        while got and (missing := size_bytes - sum(map(len, parts))):
            got = os.pread(self.descriptor, missing, position + size_bytes - missing)
            parts.append(got)
        return b"".join(parts)

    def append(self, parts: Sequence[Bytes], size_bytes: int) -> None:
        if len(parts) <= IOVECS_MAX:
            written = os.writev(self.descriptor, parts)
            if written != size_bytes:
                self._append_rest(parts, written)
            return
        for first in range(0, len(parts), IOVECS_MAX):
            some = parts[first : first + IOVECS_MAX]
            self.append(some, sum(map(len, some)))

    def _append_rest(self, parts: Sequence[Bytes], written: int) -> None:
        """Go on after a short write: a disk almost full takes a part first and fails then."""
        rest = memoryview(b"".join(parts))[written:]
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def truncate(self, size_bytes: int) -> None:
        os.ftruncate(self.descriptor, size_bytes)

    def reserve(self, size_bytes: int) -> None:
        fallocate = _fallocate()
        if fallocate is None:
            return
        end = os.fstat(self.descriptor).st_size
        if fallocate(self.descriptor, FALLOC_FL_KEEP_SIZE, end, size_bytes) != 0:
            code = ctypes.get_errno()
            if code not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise OSError(code, os.strerror(code))

    def sync(self) -> None:
        _fdatasync(self.descriptor)

    def size_bytes(self) -> int:
        return os.fstat(self.descriptor).st_size


class DiskLock:
    """flock: the kernel gives it up when the process dies, so no stale lock can be left."""

    def __init__(self, file: DiskFile) -> None:
        self._file: DiskFile | None = file

    def release(self) -> None:
        self._file = None


class DiskFiles:
    """The machine's file system behind a cache of open descriptors, least recently used out."""

    def __init__(self, open_files_max: int = OPEN_FILES_MAX, *, is_read_only: bool = False) -> None:
        """is_read_only: files are opened for reading only, for those who look on."""
        self._open_files_max = open_files_max
        self._flags = os.O_RDONLY if is_read_only else os.O_RDWR | os.O_APPEND
        self._open: OrderedDict[str, DiskFile] = OrderedDict()  # comparing paths takes longer
        self._watched: dict[int, DiskFile] = {}  # device -> a descriptor that is never reopened

    def open(self, path: PurePath, *, create: bool = False) -> DiskFile:
        name = str(path)
        file = self._open.get(name)
        if file is not None:
            self._open.move_to_end(name)
            return file
        flags = self._flags | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        file = self._open[name] = DiskFile(os.open(path, flags, 0o600))
        if len(self._open) > self._open_files_max:
            self._open.popitem(last=False)
        return file

    def create(self, path: PurePath) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def exists(self, path: PurePath) -> bool:
        return os.path.exists(path)

    def size_bytes(self, path: PurePath) -> int:
        return os.stat(path).st_size

    def list_names(self, directory: PurePath) -> list[str]:
        return sorted(os.listdir(directory))

    def make_directory(self, directory: PurePath) -> None:
        os.makedirs(directory, mode=0o700, exist_ok=True)

    def rename(self, source: PurePath, target: PurePath) -> None:
        os.replace(source, target)
        self._open.pop(str(source), None)
        self._open.pop(str(target), None)
        if os.path.isdir(target):  # For a file, a walk through the whole cache would be dear.
            inside = f"{source}{os.sep}"
            for name in [one for one in self._open if one.startswith(inside)]:
                del self._open[name]

    def remove(self, path: PurePath) -> None:
        os.unlink(path)
        self._open.pop(str(path), None)

    def remove_tree(self, directory: PurePath) -> None:
        shutil.rmtree(directory)

    def sync_directory(self, directory: PurePath) -> None:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @property
    def has_syncfs(self) -> bool:
        return _syncfs() is not None

    def watch(self, directory: PurePath) -> None:
        """Linux tells a failed write-back once to each descriptor that was open when it failed.

        One that is opened later hears of it only if nobody else has: another broker on the same
        disk would take the error away, and this one acknowledge what is lost.
        """
        device = os.stat(directory).st_dev
        if device not in self._watched:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            self._watched[device] = DiskFile(os.open(directory, flags))

    def sync_file_system(self, directory: PurePath) -> bool:
        syncfs = _syncfs()
        if syncfs is None:
            return False
        self.watch(directory)
        if syncfs(self._watched[os.stat(directory).st_dev].descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return True

    def allocate(self, path: PurePath, size_bytes: int) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size_bytes)
            else:
                os.ftruncate(descriptor, size_bytes)
        finally:
            os.close(descriptor)

    def space(self, directory: PurePath) -> DiskSpace:
        stat = os.statvfs(directory)
        return DiskSpace(stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize)

    def lock(self, path: PurePath) -> DiskLock:
        file = DiskFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        try:
            fcntl.flock(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DirectoryRefused(f"{path.parent} is in use by another process") from error
        return DiskLock(file)


def write_atomically(files: Files, path: PurePath, content: bytes) -> None:
    """Replace a small file so that after a crash it holds the old or the new content, durably."""
    replace_unsynced(files, path, content).sync()
    files.sync_directory(path.parent)


def replace_unsynced(files: Files, path: PurePath, content: bytes) -> File:
    """Replace a small file for readers of this process; return it so that the caller may sync it.

    After a power loss before that sync it may be missing or cut, so its content must be one
    that tells (a checksum, a count).
    """
    draft = path.with_name(path.name + ".tmp")
    file = files.open(draft, create=True)
    file.truncate(0)
    file.append([content], len(content))
    files.rename(draft, path)
    return file


def write_anew(files: Files, path: PurePath) -> None:
    """Replace a file by a copy whose bytes are durable; its name is not yet: sync_directory.

    Where a sync has failed the page cache may hold what the disk never got, and would take every
    later sync for a success. Raises OSError.
    """
    draft = path.with_name(path.name + ".tmp")
    source, copied = files.open(path), files.open(draft, create=True)
    copied.truncate(0)
    position, size_bytes = 0, source.size_bytes()
    while position < size_bytes:
        part = source.read(position, COPIED_TOGETHER_BYTES)
        copied.append([part], len(part))
        position += len(part)
    copied.sync()
    files.rename(draft, path)


def read_whole(files: Files, path: PurePath) -> bytes | None:
    """Return the content of a small file, or None if there is none."""
    try:
        file = files.open(path)
    except FileNotFoundError:
        return None
    return file.read(0, file.size_bytes())


# macOS has no fdatasync in Python; fsync does at least as much.
_fdatasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


@functools.cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    """Return libc's fallocate on Linux, else None; Python has only posix_fallocate, which grows."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if os.uname().sysname != "Linux" or function is None:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    found: Callable[[int, int, int, int], int] = function
    return found


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    """Return libc's syncfs where the kernel reports its errors (Linux 5.8), else None."""
    if os.uname().sysname != "Linux" or _kernel_version() < (5, 8):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return function if callable(function) else None


def _kernel_version() -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(found[1]), int(found[2])) if found else (0, 0)
