"""When a data directory was last in use, so that a start can doubt its clock (broker/dates.py).

File `time-mark`, big-endian: magic `OTM1`, CRC-32C of the body, Unix milliseconds int64. Written
once an hour and at a clean stop. Without it, or if it is damaged, a start believes its clock.
"""

import struct
from collections.abc import Callable
from pathlib import PurePath

import crc32c

from data_plane.log.files import Files, read_whole, replace_unsynced
from data_plane.log.mending import mended_file

NAME = "time-mark"

_MAGIC = b"OTM1"
_CRC = struct.Struct(">I")
_BODY = struct.Struct(">q")


def read_time_mark(files: Files, root: PurePath) -> int | None:
    """Return the mark, Unix milliseconds; None if there is none that is whole."""
    content = mended_file(read_whole(files, root / NAME) or b"", _MAGIC)
    body = content[8:]
    if len(body) != _BODY.size or content[:8] != _MAGIC + _CRC.pack(crc32c.crc32c(body)):
        return None
    time_ms: int = _BODY.unpack(body)[0]
    return time_ms


def write_time_mark(files: Files, root: PurePath, time_ms: int) -> Callable[[], None]:
    """Replace the mark; what is returned makes it durable, anywhere. Raises OSError."""
    body = _BODY.pack(time_ms)
    content = _MAGIC + _CRC.pack(crc32c.crc32c(body)) + body
    file = replace_unsynced(files, root / NAME, content)

    def sync() -> None:
        file.sync()
        files.sync_directory(root)

    return sync
