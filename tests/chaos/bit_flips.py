"""D6: flip single bits of a log at rest; what `verify-log-dir` and recovery notice of it.

The CRC covers a batch from its attributes on. Base offset, length, leader epoch and magic lie
before it and are judged by their neighbours.
"""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from data_plane.log.failures import DamagedLog
from data_plane.log.files import DiskFiles
from data_plane.log.inspection import inspect_partition
from data_plane.log.log_config import LogConfig
from data_plane.log.partition_log import PartitionLog
from tests.chaos.figures import Figure
from tests.factories.record_batches import NOW_MS, append, client_batch, read_all, sync
from tests.progress import Progress
from tests.stopping import Stopping

BATCHES = 24
FIELDS = {  # of a batch: first byte, behind the last
    "base offset": (0, 8),
    "length": (8, 12),
    "leader epoch": (12, 16),
    "magic": (16, 17),
    "CRC": (17, 21),
    "attributes": (21, 23),
    "header behind": (23, 61),
    "records": (61, 200),
}
RECOVERIES_PER_FLIP = 10  # every tenth flip is also opened as after a crash


def figures(folder: Path, flips: int, rng: random.Random, stopping: Stopping) -> Iterator[Figure]:
    """Flip, inspect, flip back."""
    directory = folder / "log"
    batches = make_log(directory)
    path = next(directory.glob("*.log"))
    done: Counter[str] = Counter()
    noticed: Counter[str] = Counter()
    served = recovered = 0
    progress = Progress(flips, what="flips", label="flips")
    for number in range(flips):
        if not stopping.goes_on():
            break
        field = rng.choice(list(FIELDS))
        at = rng.randrange(BATCHES) * len(batches[0]) + rng.randrange(*FIELDS[field])
        mask = 1 << rng.randrange(8)
        flip(path, at, mask)
        done[field] += 1
        noticed[field] += bool(inspect_partition(DiskFiles(is_read_only=True), directory).problems)
        if number % RECOVERIES_PER_FLIP == 0:
            recovered += 1
            served += serves_damage(folder / "copy", directory, batches)
        flip(path, at, mask)
        progress.step(1)
    progress.end()
    tried, whole = sum(done.values()), sum(noticed.values())
    verdict = "met" if whole == tried else "MISSED"
    yield Figure("D6", "bit flips noticed by verify-log-dir", tried, f"{whole:,}", "all", verdict)
    for field in FIELDS:
        yield Figure("", f"  in {field}", done[field], f"{noticed[field]:,}", "", "")
    verdict = "met" if not served else "MISSED"
    yield Figure(
        "D6", "damaged records served after recovery", recovered, str(served), "0", verdict
    )


def make_log(directory: Path) -> list[bytes]:
    """Batches of one size; the last one's neighbour is the end of the file."""
    directory.mkdir()
    log = PartitionLog.create(DiskFiles(), directory, LogConfig(), now_ms=NOW_MS)
    for number in range(BATCHES):
        append(log, client_batch([bytes([number]) * 200]))
    sync(log)
    log.close(is_clean=True)
    log = PartitionLog.open(DiskFiles(), directory, LogConfig(), was_clean=True, now_ms=NOW_MS)
    return read_all(log)


def flip(path: Path, at: int, mask: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ mask]))


def serves_damage(copy: Path, directory: Path, batches: list[bytes]) -> bool:
    """Open a copy as after a crash that left no checkpoint; say whether it hands damage out."""
    import shutil

    shutil.copytree(directory, copy)
    for path in copy.glob("checkpoint*"):
        path.unlink()
    try:
        log = PartitionLog.open(DiskFiles(), copy, LogConfig(), was_clean=False, now_ms=NOW_MS)
        found = read_all(log)
    except DamagedLog:
        return False
    finally:
        shutil.rmtree(copy)
    return list(map(read_by_clients, found)) != list(map(read_by_clients, batches[: len(found)]))


def read_by_clients(batch: bytes) -> bytes:
    """A batch without its leader epoch, the one field before the checksum that recovery cannot
    check at the end of a log without a checkpoint; no record depends on it."""
    return batch[:12] + batch[16:]
