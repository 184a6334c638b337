"""D5: cut a log's files at any byte and open it: what survives is the longest valid prefix."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from data_plane.log.files import DiskFiles
from data_plane.log.log_config import LogConfig
from data_plane.log.partition_log import PartitionLog
from tests.factories.record_batches import NOW_MS, append, client_batch, read_all
from tests.progress import Progress
from tests.stopping import NEVER, Stopping

BATCHES = 12
TAIL_BATCHES = 3
BATCH_VALUE_BYTES = 1_000
GARBAGE = b"\xa5" * 64
CONFIG = LogConfig(index_interval_bytes=512, segment_bytes=7_000)


def cut_everywhere(folder: Path, cuts_max: int, stopping: Stopping = NEVER) -> tuple[int, int]:
    """Try every cut, or `cuts_max` of them evenly; returns how many, and how many went wrong."""
    whole = folder / "whole"
    batches = make_log(whole)
    cuts = list(all_cuts(whole, batches))
    chosen = cuts[:: max(1, len(cuts) // cuts_max)][:cuts_max]
    done = wrong = 0
    progress = Progress(len(chosen), what="cuts", label="torn")
    for name, size, behind in chosen:
        if not stopping.goes_on():
            break
        place = folder / "cut"
        shutil.copytree(whole, place)
        with (place / name).open("r+b") as file:
            file.truncate(size)
            file.seek(size)
            file.write(behind)
        wrong += survivors(place) != whole_batches(place, batches)
        shutil.rmtree(place)
        done += 1
        progress.step(1)
    progress.end()
    return done, wrong


def make_log(directory: Path) -> list[bytes]:
    """A log that was never closed, as a crash leaves it; returns its batches.

    What is cut was not synced: the lack of what was is damage, and not a torn tail.
    """
    directory.mkdir()
    files = DiskFiles()
    log = PartitionLog.create(files, directory, CONFIG, now_ms=NOW_MS)
    for number in range(BATCHES - TAIL_BATCHES):
        append(log, client_batch([bytes([number]) * BATCH_VALUE_BYTES]))
    log.close(is_clean=True)  # So that there are indexes and a checkpoint, which may be cut too.
    log = PartitionLog.open(files, directory, CONFIG, was_clean=True, now_ms=NOW_MS)
    for number in range(TAIL_BATCHES):
        append(log, client_batch([bytes([100 + number]) * BATCH_VALUE_BYTES]))
    return read_all(log)


def all_cuts(directory: Path, batches: list[bytes]) -> Iterator[tuple[str, int, bytes]]:
    """Every byte of the last batches, three ways, and every byte of every other file."""
    tail = sum(map(len, batches[-TAIL_BATCHES:]))
    logs = sorted(directory.glob("*.log"))
    size = logs[-1].stat().st_size
    for at in range(size - tail, size):
        for behind in (b"", bytes(64), GARBAGE):
            yield logs[-1].name, at, behind
    for path in sorted(directory.iterdir()):
        if path.suffix != ".log":
            for at in range(path.stat().st_size):
                yield path.name, at, b""
                yield path.name, at, GARBAGE


def whole_batches(directory: Path, batches: list[bytes]) -> list[bytes]:
    """The batches that still lie in the files, up to the first that does not.

    Judged by the bytes: zeros behind a cut may happen to be what was cut off.
    """
    content = b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))
    kept: list[bytes] = []
    at = 0
    for batch in batches:
        if content[at : at + len(batch)] != batch:
            break
        kept.append(batch)
        at += len(batch)
    return kept


def survivors(directory: Path) -> list[bytes]:
    log = PartitionLog.open(DiskFiles(), directory, CONFIG, was_clean=False, now_ms=NOW_MS)
    return read_all(log)
