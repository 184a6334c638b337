"""A snapshot: entries that rebuild everything up to one offset, so that the log before may go.

The file `snapshot`: magic `OTS1`, CRC-32C uint32 of the body; the body holds the last offset int64,
its term int64, entry count uint32, then per entry length uint32 and bytes; all big-endian.

Order of a replacement, each step safe to crash in: the new snapshot is written beside the old one
and synced; it takes the old one's name, which is synced; only then is the log written anew without
what the snapshot holds, synced, renamed, and its name synced.
"""

import struct
from collections.abc import Callable
from pathlib import PurePath
from typing import NamedTuple

from crc32c import crc32c

from data_plane.log.files import File, Files, read_whole
from data_plane.log.mending import mended_file
from data_plane.raft.failures import damaged, storage_failures

SNAPSHOT_NAME = "snapshot"
DRAFT_SUFFIX = ".tmp"

_MAGIC = b"OTS1"
_HEAD = struct.Struct(">4sI")  # magic, CRC-32C of the body
_BODY = struct.Struct(">qqI")  # last offset, term, entry count
_LENGTH = struct.Struct(">I")


class Snapshot(NamedTuple):
    """Entries that, replayed on nothing, give the state after the entry at `last_offset`."""

    last_offset: int
    term: int
    entries: tuple[bytes, ...]


def encode_snapshot(snapshot: Snapshot) -> bytes:
    parts = [_BODY.pack(snapshot.last_offset, snapshot.term, len(snapshot.entries))]
    for entry in snapshot.entries:
        parts += (_LENGTH.pack(len(entry)), entry)
    body = b"".join(parts)
    return _HEAD.pack(_MAGIC, crc32c(body)) + body


def decode_snapshot(content: bytes) -> Snapshot:
    """Raises ValueError for anything but a whole and undamaged snapshot."""
    if len(content) < _HEAD.size + _BODY.size:
        raise ValueError("too short")
    magic, checksum = _HEAD.unpack_from(content)
    body = memoryview(content)[_HEAD.size :]
    if magic != _MAGIC or crc32c(body) != checksum:
        raise ValueError("checksum or magic is wrong")
    last_offset, term, count = _BODY.unpack_from(body)
    entries, at = [], _BODY.size
    for _ in range(count):
        (size_bytes,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        entries.append(bytes(body[at : at + size_bytes]))
        at += size_bytes
    return Snapshot(last_offset, term, tuple(entries))


def mended_snapshot(content: bytes) -> bytes:
    """Put one flipped bit right; what cannot be comes back as it is."""
    return mended_file(content, _MAGIC)


def read_snapshot(files: Files, directory: PurePath) -> tuple[Snapshot | None, int]:
    """Return the snapshot, None if there is none, and its size in bytes. Raises DamagedLog."""
    path = directory / SNAPSHOT_NAME
    content = read_whole(files, path)
    if content is None:
        return None, 0
    try:
        return decode_snapshot(content), len(content)
    except ValueError as error:
        raise damaged(path, str(error)) from error


class SnapshotDraft:
    """A snapshot on its way: made and published on the loop, written in a thread between."""

    def __init__(
        self,
        files: Files,
        directory: PurePath,
        last_offset: int,
        source: Callable[[], Snapshot],
        term: int = 0,
    ) -> None:
        """source: called by `write`, in its thread; encodes what must not change any more.

        term: of the entry at `last_offset`.
        """
        self.last_offset = last_offset
        self.term = term
        self.size_bytes = 0
        self._files = files
        self._directory = directory
        self._path = directory / SNAPSHOT_NAME
        self._draft_path = draft_of(self._path)
        self._source = source
        self.file: File = files.open(self._draft_path, create=True)

    def write(self) -> None:
        """Blocks until the bytes are durable. Raises DiskFull or LogFailure."""
        content = encode_snapshot(self._source())
        self.size_bytes = len(content)
        with storage_failures(self._directory, "write a snapshot"):
            self.file.truncate(0)
            self.file.append([content], len(content))
            self.file.sync()

    def publish(self) -> None:
        """Replace the old snapshot; the name is synced by the cut of the log.

        Raises DiskFull or LogFailure.
        """
        with storage_failures(self._directory, "publish a snapshot"):
            self._files.rename(self._draft_path, self._path)

    def abandon(self) -> None:
        self._files.remove(self._draft_path)


def draft_of(path: PurePath) -> PurePath:
    return path.with_name(path.name + DRAFT_SUFFIX)
