"""The high watermarks of a directory's replicas, as known some seconds ago (decision 30).

File `high-watermarks`, big-endian: magic `OTW1`, CRC-32C of the rest, then rows of topic id (16
bytes), partition int32, offset int64. Without it, or if it is damaged, every row is 0; one flipped
bit is put right (mending.py).

A row is a lower bound: below it, as far as the log reaches, a replica holds what was committed. So
an older file says less and nothing wrong, as long as no row ever came down. Where one has to, the
file that says so is durable before the log is cut or made anew, and a draft that was begun before
is thrown away: else an older, higher row would outlive what it stands for.
"""

import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Final
from uuid import UUID

import crc32c

from data_plane.log.failures import DiskFull, LogFailure
from data_plane.log.files import Files, read_whole, write_atomically
from data_plane.log.manifest import PartitionKey
from data_plane.log.mending import mended_file
from data_plane.log.segment import FULL

NAME: Final = "high-watermarks"
DRAFT_NAME: Final = "high-watermarks.draft"

_MAGIC: Final = b"OTW1"
_HEAD_BYTES: Final = 8
_ROW: Final = struct.Struct(">16siq")

Row = tuple[UUID, int, int]  # topic id, partition, high watermark


class Watermarks:
    """What the file says, how it is replaced, and how a row comes down. On the loop's thread."""

    def __init__(self, files: Files, root: PurePath) -> None:
        self._files, self._root = files, root
        self._path = root / NAME
        self.stored: dict[PartitionKey, int] = read_watermarks(files, root)
        self._rows: list[Row] = []  # of the last draft that was published
        self._generation = 0  # Drafts of an earlier one are stale.

    def draft(self, rows: list[Row]) -> "WatermarkDraft | None":
        """Begin to replace the file; None if it would say the same. Raises OSError."""
        if rows == self._rows:
            return None
        return WatermarkDraft(self._files, self._root, rows, self._generation)

    def publish(self, draft: "WatermarkDraft") -> bool:
        """Let a written draft be the file; False if it is stale. Raises LogFailure.

        Until `sync_name` a power loss brings the older file back.
        """
        if draft.generation != self._generation:
            return False
        try:
            self._files.rename(draft.path, self._path)
        except OSError as error:
            raise LogFailure(self._path, "publish", error) from error
        self.stored, self._rows = draft.stored, draft.rows
        return True

    def sync_name(self) -> None:
        """Make what was published durable; anywhere. Raises LogFailure."""
        try:
            self._files.sync_directory(self._root)
        except OSError as error:
            raise LogFailure(self._root, "sync", error) from error

    def write(self, rows: list[Row]) -> None:
        """Replace the file now, durably: before a clean mark. Raises LogFailure.

        Without room for it the older one stays, which says less.
        """
        self._generation += 1
        with suppress(DiskFull):
            self._replace({PartitionKey(topic, index): offset for topic, index, offset in rows})

    def lower(self, ends: Mapping[PartitionKey, int]) -> None:
        """See to it that no start finds more than this of these; durable on return.

        Raises LogFailure. Where there is no room, the file goes, and every row with it.
        """
        self._generation += 1
        high = {key: end for key, end in ends.items() if self.stored.get(key, 0) > end}
        if not high:
            return
        try:
            self._replace(self.stored | high)
        except DiskFull:
            self._remove()

    def forget(self, keys: Sequence[PartitionKey]) -> None:
        """Before replicas are made anew; else as `lower`."""
        self.lower(dict.fromkeys(keys, 0))

    def _replace(self, stored: Mapping[PartitionKey, int]) -> None:
        kept = {key: offset for key, offset in stored.items() if offset > 0}
        try:
            write_atomically(self._files, self._path, _encode([(*key, kept[key]) for key in kept]))
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull("no room for the high watermarks") from error
            raise LogFailure(self._path, "replace", error) from error
        self.stored, self._rows = kept, []

    def _remove(self) -> None:
        try:
            if self._files.exists(self._path):
                self._files.remove(self._path)
            self._files.sync_directory(self._root)
        except OSError as error:
            raise LogFailure(self._path, "remove", error) from error
        self.stored, self._rows = {}, []


class WatermarkDraft:
    """The next file, beside the one in force until `Watermarks.publish`."""

    def __init__(self, files: Files, root: PurePath, rows: list[Row], generation: int) -> None:
        """Use `Watermarks.draft`."""
        self.path = root / DRAFT_NAME
        self.rows, self.generation = rows, generation
        self.stored: dict[PartitionKey, int] = {}
        self._file = files.open(self.path, create=True)

    def write(self) -> None:
        """Write it and return once its bytes are durable; off the loop.

        Raises DiskFull, after which the older file stays, or LogFailure.
        """
        content = _encode(self.rows)
        self.stored = {PartitionKey(topic, index): offset for topic, index, offset in self.rows}
        try:
            self._file.truncate(0)
            self._file.append([content], len(content))
            self._file.sync()
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull("no room for the high watermarks") from error
            raise LogFailure(self.path, "write", error) from error


def read_watermarks(files: Files, root: PurePath) -> dict[PartitionKey, int]:
    """Return the rows; none if there is no whole file."""
    content = mended_file(read_whole(files, root / NAME) or b"", _MAGIC)
    body = content[_HEAD_BYTES:]
    if len(body) % _ROW.size or content[:_HEAD_BYTES] != _head(body):
        return {}
    return {
        PartitionKey(UUID(bytes=topic), index): offset
        for topic, index, offset in _ROW.iter_unpack(body)
    }


def _encode(rows: Sequence[Row]) -> bytes:
    body = b"".join([_ROW.pack(topic.bytes, index, offset) for topic, index, offset in rows])
    return _head(body) + body


def _head(body: bytes) -> bytes:
    return _MAGIC + crc32c.crc32c(body).to_bytes(4)
