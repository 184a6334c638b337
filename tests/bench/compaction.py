"""Compaction's first pass: read a log, check every batch, note the last offset of each key."""

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from data_plane.log.files import DiskFile, DiskFiles
from data_plane.log.offset_map import Offsets, note_keys
from data_plane.log.record_scan import whole_batches
from data_plane.protocol.records.record import Record, encode_batch
from tests.bench.figures import Figure
from tests.bench.settings import Settings
from tests.bench.wire import TIMESTAMP_MS

RECORDS = 1_000_000
RECORDS_PER_BATCH = 120  # of 16 B keys and 100 B values: 16 KB
VALUE = bytes(100)
MILLION = 1_000_000
WHY = (
    "With few keys some 90 bytecodes per record are the limit; with a million, each record misses "
    "the processor's cache four times (index, entry, key and old offset of the map). Tried: fewer "
    "checks (+6 % with few keys, nothing with many), 64 maps by the key's last byte (-2 %), keys "
    "gathered and stored by dict.update (-4 %), records sorted by map before they are stored "
    "(-10 %, with few keys -40 %)."
)


def run(settings: Settings) -> Iterator[Figure]:
    records = settings.count(RECORDS)
    for keys in (min(1_000, records), records):
        figure = Figure(
            f"compaction scan, {records:,} records of {keys:,} keys",
            "M records/s CPU",
            2,
            is_more_better=True,
            why=WHY,
        )
        with tempfile.TemporaryDirectory(prefix="ottla-bench-") as folder:
            file = filled(Path(folder) / "scanned.log", records, keys)
            for _ in range(settings.rounds):
                figure.samples.append(records / scan_s(file, records) / MILLION)
        yield figure


def filled(path: Path, records: int, keys: int) -> DiskFile:
    """A log of random keys, in the page cache."""
    rng = random.Random(1)
    file = DiskFiles().open(path, create=True)
    for base in range(0, records, RECORDS_PER_BATCH):
        count = min(RECORDS_PER_BATCH, records - base)
        made = [Record(at, 0, b"%016d" % rng.randrange(keys), VALUE) for at in range(count)]
        batch = encode_batch(made, base_offset=base, base_timestamp_ms=TIMESTAMP_MS)
        file.append([batch], len(batch))
    return file


def scan_s(file: DiskFile, records: int) -> float:
    """CPU seconds of this process, which does what the broker's cleaner child does."""
    offsets: Offsets = {}
    began_s = time.process_time()
    found = 0
    for batch in whole_batches(file, file.size_bytes()):
        data, at, end = batch.records()
        found += note_keys(data, at, end, batch.header.base_offset, offsets)
    took_s = time.process_time() - began_s
    assert found == records
    return took_s
