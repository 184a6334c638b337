"""Damaged data directories at start-up: one partition may be lost to its readers, the broker not.

Method (reliability.md F7): a broker writes three topics and is killed; one of its files is damaged
in a copy of the disk, and a broker is started on it. Files of a partition may cost that partition;
the metadata log, the manifest and the identity may cost the start, which then says why.
"""

import random
from collections import Counter
from pathlib import PurePath

from data_plane.log.failures import DamagedLog, DirectoryRefused
from data_plane.log.memory_files import MemoryFiles
from data_plane.protocol.errors import CorruptBatch, ErrorCode
from data_plane.protocol.records.batch import check_crc, iter_batches, read_header
from tests.fuzz.watch import Tell, faults, no_hang, silent
from tests.unit.data_plane.broker.world import World, batch_of, fetched, produced

ROOT = PurePath("/data")
TOPICS = ("first", "second", "third")
BATCHES = 12
REFUSED = "served up to the damage"
EXCHANGED = "served another partition's log"  # whole batches, at the right offsets
NOTED = ("quarantined", "is damaged")  # in what a broker logs of it
REFUSALS = (DirectoryRefused, DamagedLog)


def run(count: int, seed: int, tell: Tell = silent) -> Counter[str]:
    """Start a broker on `count` damaged disks; return what came of it. Raises AssertionError."""
    rng = random.Random(seed)
    disks = [killed_disk(is_clean=False), killed_disk(is_clean=True)]
    outcomes: Counter[str] = Counter()
    with faults() as found:
        for _ in range(count):
            world = rng.choice(disks)
            files = world.files.copy()
            what = damage(rng, files)
            with no_hang(what):
                outcomes[start_on(files, what)] += 1
            bugs = [line for line in found.found if not any(word in line for word in NOTED)]
            assert not bugs, (seed, what, bugs)
            found.found.clear()
            tell(1)
    return outcomes


def killed_disk(*, is_clean: bool) -> World:
    """A broker that ended with TOPICS written, each in several segments."""
    world = World()
    for name in TOPICS:
        world.create_topic(name, segment_bytes="400")
        for number in range(BATCHES):
            asked = world.produce(
                name,
                batch_of(
                    b"%s-%d" % (name.encode(), number),
                    producer_id=7,
                    producer_epoch=0,
                    base_sequence=number,
                ),
            )
            world.settle()
            assert produced(asked).error_code == ErrorCode.NONE
    if is_clean:
        world.broker.close()
    else:
        world.files.kill()
    return world


def damage(rng: random.Random, files: MemoryFiles) -> str:
    """Change one file; return which and how."""
    paths = sorted(path for path in all_files(files, ROOT) if path.name != "ballast")
    path = rng.choice(paths)
    file = files.open(path)
    content = bytearray(file.read(0, file.size_bytes()))
    kind = rng.choice(("flip", "flips", "cut", "zeros", "noise", "remove", "grow", "swap"))
    at = rng.randrange(len(content)) if content else 0
    if kind == "remove":
        files.remove(path)
        return f"{path}: removed"
    if kind == "swap":
        other = files.open(rng.choice(paths))
        content = bytearray(other.read(0, other.size_bytes()))
    elif kind == "flip" and content:
        content[at] ^= 1 << rng.randrange(8)
    elif kind == "flips":
        for _ in range(min(8, len(content))):
            content[rng.randrange(len(content))] = rng.randrange(256)
    elif kind == "cut":
        del content[at:]
    elif kind == "zeros":
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    elif kind == "noise":
        content[at : at + 64] = rng.randbytes(64)
    else:
        content += rng.randbytes(rng.randint(1, 200))
    file.truncate(0)
    file.append([bytes(content)], len(content))
    return f"{path}: {kind} at {at}"


def all_files(files: MemoryFiles, directory: PurePath) -> list[PurePath]:
    found = []
    for name in files.list_names(directory):
        path = directory / name
        try:
            found += all_files(files, path)
        except (FileNotFoundError, NotADirectoryError):
            found.append(path)
    return found


def start_on(files: MemoryFiles, what: str) -> str:
    """Open a broker; return what it made of the damage."""
    path = PurePath(what.rpartition(": ")[0])
    is_partition = len(path.relative_to(ROOT).parts) == 2 and path.parent.name != "metadata"
    try:
        world = World(files=files)
    except REFUSALS as error:
        refusal = str(error)
    else:
        refusal = ""
        world.settle()
    if refusal:
        assert not is_partition, f"{what}: one partition's file stopped the broker: {refusal}"
        return "refused to start"
    assert not world.failures, (what, world.failures)
    states = [served(world, name, what) for name in TOPICS]
    assert is_partition <= (states.count("whole or cut") >= len(TOPICS) - 1), (what, states)
    worst = next((state for state in states if state != "whole or cut"), "served")
    assert worst != EXCHANGED or ": swap" in what, f"{what}: {worst}"
    assert worst != REFUSED or path.suffix == ".log", f"{what}: only a log holds records"
    return worst


def served(world: World, topic: str, what: str) -> str:
    """Read a topic to its end, as a client does who believes what it is given.

    What is not read again at a start (all of it after a clean stop, else what lies before the
    segment of the recovery point) may have been damaged since it was synced: the broker finds that
    before it is read (decision 49).
    """
    read = 0
    while True:
        row = fetched(world.fetch(topic, read, max_wait_ms=0))
        if row.error_code in (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION):
            return "not served"
        if row.error_code == ErrorCode.CORRUPT_MESSAGE:
            return REFUSED
        if row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            assert row.log_start_offset > read or row.high_watermark < read, what
            return "whole or cut"
        assert row.error_code == ErrorCode.NONE, (what, row)
        view = memoryview(bytes(row.records or b""))
        if not view:
            return "whole or cut"
        for at, header in iter_batches(view):
            assert is_intact(view, at), f"{what}: offset {read} was served damaged"
            assert header.base_offset == read, f"{what}: {header.base_offset} instead of {read}"
            if b"%s-%d" % (topic.encode(), read) not in view[at : at + header.size_bytes].tobytes():
                return EXCHANGED
            read += 1
        assert read <= BATCHES, what


def is_intact(view: memoryview, at: int) -> bool:
    try:
        check_crc(view, at, read_header(view, at))
    except CorruptBatch:
        return False
    return True
