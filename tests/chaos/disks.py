"""What lies on a stopped broker's disk, as lines of a history, and whether it is sound."""

from collections.abc import Sequence
from pathlib import Path

from data_plane.log.files import DiskFiles
from data_plane.log.inspection import inspect_partition
from data_plane.log.manifest import key_from_directory, read_topics
from data_plane.log.record_scan import whole_batches
from data_plane.protocol.records.record import decode_records
from tests.chaos.payload import decode
from tests.chaos.recorder import Recorder


class DiskDamaged(Exception):
    """A stopped broker's log does not hold together."""


def note_replica(record: Recorder, broker: int, data_dir: Path, topics: set[str]) -> int:
    """Read every segment of the run's topics offline; returns the number of records.

    Raises DiskDamaged.
    """
    files = DiskFiles(is_read_only=True)
    named = read_topics(files, data_dir)
    count = 0
    for directory in sorted(data_dir.iterdir()):
        key = key_from_directory(directory.name) if directory.is_dir() else None
        if key is None or named.get(key) not in topics:
            continue
        problems = inspect_partition(files, directory).problems
        if problems:
            raise DiskDamaged(f"{directory}: {problems[0]}")
        offsets, values, producers = records_of(files, directory)
        count += len(offsets)
        name = f"{named[key]}-{key.partition_index}"
        record.note(
            "replica",
            "ok",
            broker=broker,
            reads={name: [offsets, values]},
            producers={name: producers},
        )
    return count


def replicas_that_differ(data_dirs: Sequence[Path], topics: set[str]) -> tuple[int, list[str]]:
    """Compare the replicas of each partition byte by byte up to the shortest one's end.

    Returns how many partitions were compared, and the names of those that differ.
    """
    files = DiskFiles(is_read_only=True)
    logs: dict[str, list[bytes]] = {}
    for data_dir in data_dirs:
        named = read_topics(files, data_dir)
        for directory in sorted(data_dir.iterdir()):
            key = key_from_directory(directory.name) if directory.is_dir() else None
            if key is not None and named.get(key) in topics:
                content = b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))
                logs.setdefault(f"{named[key]}-{key.partition_index}", []).append(content)
    several = {name: found for name, found in logs.items() if len(found) > 1}
    different = []
    for name, found in several.items():
        shortest = min(map(len, found))
        if len({content[:shortest] for content in found}) > 1:
            different.append(name)
    return len(several), different


def records_of(
    files: DiskFiles, directory: Path
) -> tuple[list[int], list[int], list[tuple[int, int, int]]]:
    """Offsets and values of a partition, markers left out, and who wrote from which offset on.

    The latter as (offset, producer id, producer epoch) where it changes.
    """
    offsets: list[int] = []
    values: list[int] = []
    producers: list[tuple[int, int, int]] = []
    for path in sorted(directory.glob("*.log")):
        file = files.open(path)
        for batch in whole_batches(file, file.size_bytes()):
            if batch.header.is_control:
                continue
            who = batch.header.producer_id, batch.header.producer_epoch
            if not producers or producers[-1][1:] != who:
                producers.append((batch.header.base_offset, *who))
            data, at, end = batch.records()
            plain = batch.header._replace(attributes=batch.header.attributes & ~7)
            for one in decode_records(plain, memoryview(data)[at:end]):
                offsets.append(batch.header.base_offset + one.offset_delta)
                values.append(decode(bytes(one.value or b"")))
    return offsets, values, producers
