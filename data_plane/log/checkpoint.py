"""A partition's own note of what recovery need not read again.

File `checkpoint`, big-endian: magic `OTC1`, CRC-32C of the body, then recovery point int64, log
start offset int64, clean end offset int64 (-1: not cleanly closed) and the size of all .log files
then, int64.
It is replaced without a sync: an older one, or none, only makes recovery read more, and lets a log
begin where its first segment does. One flipped bit is put right (mending.py).
"""

import struct
from pathlib import PurePath
from typing import NamedTuple

import crc32c

from data_plane.log.files import File, Files, read_whole, replace_unsynced
from data_plane.log.mending import mended_file

NAME = "checkpoint"
NOT_CLEAN = -1

_MAGIC = b"OTC1"
_CRC = struct.Struct(">I")
_BODY = struct.Struct(">qqqq")


class Checkpoint(NamedTuple):
    """Everything below `recovery_point` is durable; what closed segments have beside them too."""

    recovery_point: int = 0
    log_start_offset: int = 0
    clean_end_offset: int = NOT_CLEAN
    clean_size_bytes: int = 0


def read_checkpoint(files: Files, directory: PurePath) -> Checkpoint | None:
    """Return the checkpoint, or None if there is none that is whole."""
    content = read_whole(files, directory / NAME)
    content = None if content is None else mended_file(content, _MAGIC)
    if content is None or len(content) != len(_MAGIC) + _CRC.size + _BODY.size:
        return None
    body = content[8:]
    if content[:8] != _MAGIC + _CRC.pack(crc32c.crc32c(body)):
        return None
    return Checkpoint._make(_BODY.unpack(body))


def write_checkpoint(files: Files, directory: PurePath, checkpoint: Checkpoint) -> File:
    """Replace the checkpoint and return its file, not yet synced. Raises OSError."""
    body = _BODY.pack(*checkpoint)
    return replace_unsynced(files, directory / NAME, _MAGIC + _CRC.pack(crc32c.crc32c(body)) + body)
