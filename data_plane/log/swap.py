"""How cleaned segments take the place of the old ones, so that a crash leaves one or the other.

    1  <base>.<end>.<run>.log.cleaned    written and synced, with its indexes, by the cleaner
    2  `compaction`                      says up to where offsets may be missing; synced with 3
    3  <base>.<end>.<run>.swap                 the draft's new name; the directory is synced
    4  old segments in (base, end) renamed away, the indexes take their names, then the swap file
       becomes <base>.log

Up to 3 a start throws the drafts away. From 3 on it finishes 4, again if need be, because the
file's name says which segments it replaces. Groups go in order of offset, so that a record never
outlives the tombstone that hid it.

File `compaction`, big-endian: magic `OTK1`, CRC-32C of the body, first dirty offset int64, gaps end
int64, next horizon int64 (Unix ms, -1: none).
"""

import struct
from pathlib import PurePath
from typing import NamedTuple

import crc32c

from data_plane.log.clean_job import NEVER_MS
from data_plane.log.files import File, Files, read_whole, replace_unsynced
from data_plane.log.mending import mended_file
from data_plane.log.segment import INDEX, LOG, SUFFIXES, TIME_INDEX, TXN_INDEX, segment_path
from data_plane.log.side_files import CLEANED

NAME = "compaction"
SWAP = ".swap"
DRAFT_INDEXES = (INDEX, TIME_INDEX, TXN_INDEX)  # All three are always written.
ANYWHERE = 2**63 - 1

_MAGIC = b"OTK1"
_CRC = struct.Struct(">I")
_BODY = struct.Struct(">qqq")


class CompactionState(NamedTuple):
    """What compaction remembers of a log.

    Below `gaps_end` offsets may be missing; below `first_dirty_offset` each key was once unique.
    """

    first_dirty_offset: int = 0
    gaps_end: int = 0
    next_horizon_ms: int = NEVER_MS


def read_state(files: Files, directory: PurePath) -> CompactionState:
    """Return what the file says. A damaged one allows gaps anywhere: it proves there were some."""
    content = read_whole(files, directory / NAME)
    if content is None:
        return CompactionState()
    content = mended_file(content, _MAGIC)
    body = content[8:]
    if len(body) != _BODY.size or content[:8] != _MAGIC + _CRC.pack(crc32c.crc32c(body)):
        return CompactionState(gaps_end=ANYWHERE)
    return CompactionState._make(_BODY.unpack(body))


def write_state(files: Files, directory: PurePath, state: CompactionState) -> File:
    """Replace the file and return it, not yet synced. Raises OSError."""
    body = _BODY.pack(*state)
    return replace_unsynced(files, directory / NAME, _MAGIC + _CRC.pack(crc32c.crc32c(body)) + body)


def draft_path(
    directory: PurePath, base_offset: int, end_offset: int, run_ms: int, suffix: str
) -> PurePath:
    return directory / f"{base_offset:020d}.{end_offset:020d}.{run_ms}{suffix}{CLEANED}"


def swap_path(directory: PurePath, base_offset: int, end_offset: int, run_ms: int) -> PurePath:
    return directory / f"{base_offset:020d}.{end_offset:020d}.{run_ms}{SWAP}"


def remove_drafts(files: Files, directory: PurePath) -> bool:
    """Remove what a cleaning left; True if a swap had begun, so that the names need a sync."""
    names = files.list_names(directory)
    for name in names:
        if name.endswith((CLEANED, SWAP)):
            files.remove(directory / name)
    return any(name.endswith(SWAP) for name in names)


def finish_swaps(files: Files, directory: PurePath) -> bool:
    """At a start, let each begun swap come to its end; the caller syncs the directory then."""
    names = files.list_names(directory)
    swaps = [name for name in names if name.endswith(SWAP)]
    for name in swaps:
        base, end, run_ms = (int(part) for part in name.removesuffix(SWAP).split("."))
        for found in names:
            stem, _, suffix = found.partition(".")
            if f".{suffix}" == LOG and stem.isdecimal() and base < int(stem) < end:
                _remove_segment(files, directory, int(stem))
        for suffix in DRAFT_INDEXES:
            draft = draft_path(directory, base, end, run_ms, suffix)
            if files.exists(draft):  # Else it took its name before the crash.
                files.rename(draft, segment_path(directory, base, suffix))
        files.rename(directory / name, segment_path(directory, base, LOG))
    return bool(swaps)


def _remove_segment(files: Files, directory: PurePath, base_offset: int) -> None:
    for suffix in reversed(SUFFIXES):
        path = segment_path(directory, base_offset, suffix)
        if files.exists(path):
            files.remove(path)
