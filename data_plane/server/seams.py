"""Where a broker process meets the machine: files, clock, boot. `--fault-seams` puts tests there.

A test-only start flag: a JSON file names a journal (see log/journal_files.py), a clock file (eight
bytes, little-endian: milliseconds that the wall clock is off), the boot id that is reported, and
the newest level of `ottla.version` that this broker knows and the version that it tells, so that it
plays an older one.
"""

import json
import logging
import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from data_plane.log.files import DiskFiles
from data_plane.server.clock import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seams:
    """The real ones by default."""

    files: DiskFiles = field(default_factory=DiskFiles)
    clock: Clock = field(default_factory=Clock)
    boot_id: str | None = None  # None: the machine's
    ottla_version_max: int | None = None  # None: the newest
    software_version: str = ""  # told to the agent; empty: its own


def read_seams(path: Path) -> Seams:
    """Raises OSError or ValueError: the file, or what it names, cannot be used."""
    named = json.loads(path.read_text())
    log.warning("fault seams are open: this broker is being tested")
    files, clock = DiskFiles(), Clock()
    if "journal" in named:
        from data_plane.log.journal_files import Journal, JournalFiles

        files = JournalFiles(Journal(Path(named["journal"])))
    if "clock" in named:
        clock = Clock(shifted_wall(Path(named["clock"])))
    return Seams(
        files,
        clock,
        named.get("boot_id"),
        named.get("ottla_version_max"),
        named.get("software_version", ""),
    )


def shifted_wall(path: Path) -> Callable[[], float]:
    """The wall clock, off by what the file says at each reading."""
    with path.open("rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

    def wall() -> float:
        return time.time() + int.from_bytes(shared[:8], "little", signed=True) / 1000

    return wall
