"""A power loss, played on the data directory of a broker that was killed (log/journal_files.py).

Everything that no sync had confirmed may be gone, torn or kept, file by file and name by name, as a
file system is free to choose: the names of one directory keep their order, the bytes of one file
keep a prefix and may have garbage behind it.
"""

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.checker.lines import read_file

DAMAGED_SHARE = 0.8  # of torn tails hold garbage
KEPT_SHARE = 0.2  # of unsynced tails survive whole


@dataclass(slots=True)
class FileState:
    """One inode: how much of it is durable."""

    size: int
    synced: int
    generation: int = 0  # rises with each truncation: syncs begun before it say nothing after it
    cuts: list[tuple[int, str]] = field(default_factory=list)  # unsynced: where, the kept copy


@dataclass(slots=True, eq=False)
class NameChange:
    """One change of names that no sync of its directory has confirmed yet."""

    directory: str
    fields: list[Any]


@dataclass(slots=True)
class Sync:
    """A sync that was begun, and what it would make durable."""

    files: dict[int, tuple[int, int]]  # inode -> generation, size
    names: list[NameChange]


class Unsynced:
    """What the journal says is not durable."""

    def __init__(self, journal: Path) -> None:
        self.files: dict[int, FileState] = {}
        self.names: list[NameChange] = []
        self._syncs: dict[str, Sync] = {}
        for line in read_file(journal):
            self._take(list(line))

    def _take(self, fields: list[Any]) -> None:
        kind = fields[0]
        if kind == "append":
            self._file(fields[1], fields[2]).size = fields[3]
        elif kind == "truncate":
            self._truncate(*fields[1:])
        elif kind == "sync-begin":
            self._syncs[fields[1]] = self._covered(fields[2])
        elif kind == "sync-end":
            self._end(self._syncs.pop(fields[1]))
        else:
            path = fields[2] if kind == "rename" else fields[1]
            self.names.append(NameChange(os.path.dirname(path), fields))
            if kind == "create":
                self.files[fields[2]] = FileState(0, 0)

    def _file(self, inode: int, size: int) -> FileState:
        """A file that the journal meets for the first time was there before: it is durable."""
        return self.files.setdefault(inode, FileState(size, size))

    def _truncate(self, inode: int, old_size: int, size: int, kept: str | None) -> None:
        state = self._file(inode, old_size)
        if kept is not None and size < state.synced:
            state.cuts.append((size, kept))
        state.size = size
        state.synced = min(state.synced, size)
        state.generation += 1

    def _covered(self, what: object) -> Sync:
        """what: an inode, a directory, or None for everything."""
        files = {
            inode: (state.generation, state.size)
            for inode, state in self.files.items()
            if what is None or inode == what
        }
        return Sync(files, [one for one in self.names if what in (None, one.directory)])

    def _end(self, sync: Sync) -> None:
        for inode, (generation, size) in sync.files.items():
            state = self.files[inode]
            if state.generation == generation:
                state.synced = max(state.synced, size)
                state.cuts.clear()
        self.names = [one for one in self.names if one not in sync.names]


def lose_power(data_dir: Path, journal: Path, rng: random.Random) -> Counter[str]:
    """Take away what was not durable; the journal begins anew. Returns what was done, counted."""
    done: Counter[str] = Counter()
    kept = journal.with_name(journal.name + ".kept")
    unsynced = Unsynced(journal)
    paths = {os.stat(path).st_ino: path for path in files_under(kept, data_dir)}
    for inode, state in unsynced.files.items():
        if inode in paths:
            done[lose_bytes(paths[inode], state, rng)] += 1
    for change in reversed(undone(unsynced.names, rng)):
        with suppress(FileNotFoundError, NotADirectoryError):  # Went with its directory.
            undo(change.fields)
            done["name undone"] += 1
    shutil.rmtree(kept)
    journal.unlink()
    return done


def files_under(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())


def lose_bytes(path: Path, state: FileState, rng: random.Random) -> str:
    """Damage the unsynced end of a file; returns what became of it."""
    if state.cuts and rng.random() < 0.5:
        at, copy = state.cuts[0]
        with path.open("r+b") as file:  # The truncation never reached the disk.
            file.truncate(at)
            file.seek(at)
            file.write(Path(copy).read_bytes())
        return "truncation undone"
    tail = state.size - state.synced
    if tail <= 0 or rng.random() < KEPT_SHARE:
        return "kept" if tail > 0 else "was durable"
    survives = state.synced + rng.randrange(tail)
    with path.open("r+b") as file:
        file.truncate(survives)
        if rng.random() < DAMAGED_SHARE:
            garbage = rng.randrange(1, state.size - survives + 1)
            file.seek(survives)
            file.write(bytes(garbage) if rng.random() < 0.5 else rng.randbytes(garbage))
            return "torn"
    return "cut"


def undone(names: list[NameChange], rng: random.Random) -> list[NameChange]:
    """Choose for each directory after which change it stands; return the others, oldest first."""
    kept: dict[str, int] = {}
    for directory in {one.directory for one in names}:
        kept[directory] = rng.randrange(sum(one.directory == directory for one in names) + 1)
    found = []
    for one in names:
        kept[one.directory] -= 1
        if kept[one.directory] < 0:
            found.append(one)
    return found


def undo(fields: list[Any]) -> None:
    """Take one change of names back."""
    kind, path = fields[0], fields[1]
    if kind == "create":
        os.unlink(path)
    elif kind == "make-directory":
        shutil.rmtree(path)
    elif kind == "rename":
        os.rename(fields[2], path)
        if fields[3] is not None:
            os.rename(fields[3], fields[2])
    elif kind in ("remove", "remove-tree"):
        os.rename(fields[2], path)
