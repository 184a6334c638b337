"""Which partitions were created in a data directory, durably: a missing one is lost, not new.

File `partitions.manifest`: one line each, `<CRC-32C, 8 hex> <+|-> <topic id> <partition> <topic>`;
the checksum covers the rest of the line. A damaged line is dropped and counted: the directories
that are there are adopted again, only the lack of a missing one goes unnoticed.
"""

import errno
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import NamedTuple
from uuid import UUID

import crc32c

from data_plane.log.files import File, Files, read_whole, write_atomically

NAME = "partitions.manifest"


class PartitionKey(NamedTuple):
    """One partition of one incarnation of a topic."""

    topic_id: UUID
    partition_index: int

    @property
    def directory_name(self) -> str:
        return f"{self.topic_id}-{self.partition_index}"


def key_from_directory(name: str) -> PartitionKey | None:
    """Return the key that a directory name stands for, None if it is no partition's."""
    topic_id, _, index = name.rpartition("-")
    try:
        key = PartitionKey(UUID(topic_id), int(index))
    except ValueError:
        return None
    return key if key.directory_name == name else None


class Manifest:
    """The partitions of one data directory and their topics' names, which are for people."""

    def __init__(
        self, files: Files, root: PurePath, *, was_clean: bool, is_distrusted: bool = False
    ) -> None:
        """Read the manifest; write it anew if lines may be dropped, or if a sync has failed.

        was_clean: all of it is known to be durable; else whoever wrote it may have ended before
        the sync, which needs no room.
        """
        self._files, self._path = files, root / NAME
        content = read_whole(files, self._path)
        lines = (content or b"").splitlines()
        self.topics, self.damaged_lines = _topics_of(lines)
        is_whole = content is not None and content.endswith(b"\n") and not is_distrusted
        if not is_whole or len(lines) != len(self.topics):
            whole = b"".join(_line("+", key, topic) for key, topic in self.topics.items())
            write_atomically(files, self._path, whole)
        elif not was_clean:
            self.file().sync()

    def add(self, created: Iterable[tuple[PartitionKey, str]]) -> None:
        """Note created partitions, durably. Raises OSError."""
        new = dict(created)
        if new:
            self.write(new)
            self.file().sync()
        self.topics.update(new)

    def file(self) -> File:
        """To be synced behind `write`."""
        return self._files.open(self._path)

    def write(self, created: Mapping[PartitionKey, str]) -> None:
        """Name them in the file alone, not yet durably. Raises OSError."""
        self._append([_line("+", key, topic) for key, topic in created.items()])

    def remove(self, keys: Iterable[PartitionKey]) -> None:
        """Note deleted partitions, where there is room and not durably: a start does it anew.

        Raises OSError for anything but a full disk.
        """
        gone = [key for key in keys if key in self.topics]
        try:
            self._append([_line("-", key, self.topics[key]) for key in gone])
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
        for key in gone:
            del self.topics[key]

    def _append(self, lines: list[bytes]) -> None:
        if lines:
            file = self.file()
            end = file.size_bytes()
            try:
                file.append(lines, sum(map(len, lines)))
            except OSError:
                file.truncate(end)
                raise


def read_topics(files: Files, root: PurePath) -> dict[PartitionKey, str]:
    """Return what the manifest of a directory says, changing nothing."""
    return _topics_of((read_whole(files, root / NAME) or b"").splitlines())[0]


def _topics_of(lines: Iterable[bytes]) -> tuple[dict[PartitionKey, str], int]:
    """Return the partitions with their topics' names, and how many lines are damaged."""
    topics: dict[PartitionKey, str] = {}
    damaged = 0
    for line in lines:
        checksum, _, body = line.partition(b" ")
        fields = body.split(b" ")
        if checksum != _checksum(body) or len(fields) != 4:
            damaged += 1
            continue
        sign, topic_id, index, topic = (field.decode() for field in fields)
        key = PartitionKey(UUID(topic_id), int(index))
        if sign == "+":
            topics[key] = topic
        else:
            topics.pop(key, None)
    return topics, damaged


def _line(sign: str, key: PartitionKey, topic: str) -> bytes:
    body = f"{sign} {key.topic_id} {key.partition_index} {topic or '?'}".encode()
    return _checksum(body) + b" " + body + b"\n"


def _checksum(body: bytes) -> bytes:
    return b"%08x" % crc32c.crc32c(body)
