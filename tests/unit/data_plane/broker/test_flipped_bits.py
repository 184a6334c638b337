"""A flipped bit in any small file of a data directory is put right, noticed, or without effect.

Method: a directory with every kind of file the broker writes, after a clean stop and after a kill.
For every byte of every file but the segments one bit is flipped (all eight in short files), the
directory is opened, and what it says is compared with what it said whole. Segments: their batches
carry checksums (test_recovery.py, tests/chaos/bit_flips.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import PurePath
from typing import Any
from uuid import UUID

import pytest

from data_plane.log import restart
from data_plane.log.failures import DamagedLog, DirectoryRefused
from data_plane.log.identity import Identity
from data_plane.log.log_config import LogConfig
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.manifest import PartitionKey
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.log.restart import RestartKind
from data_plane.log.swap import CompactionState, write_state
from data_plane.protocol.records.batch import read_header
from data_plane.protocol.records.control import MarkerType
from data_plane.raft.durable import RaftDisk
from data_plane.raft.entries import EntryBatch, HardState, Ready
from data_plane.raft.voters import Voter, VoterKey, VoterSet, encode_voters
from tests.factories.record_batches import NOW_MS, client_batch, read_all, sync
from tests.fuzz.log_dirs import all_files
from tests.unit.data_plane.log.test_transactions import marker_batch

ROOT = PurePath("/data")
METADATA = ROOT / "metadata"
OURS = Identity("cluster-a", 3, UUID(int=1))
CONFIG = LogConfig(segment_bytes=600, is_compacted=True, index_interval_bytes=1)
KEY, LOST = PartitionKey(UUID(int=9), 0), PartitionKey(UUID(int=9), 1)
VOTERS = VoterSet((Voter(VoterKey(3, UUID(int=1)), "host:1"), Voter(VoterKey(4, UUID(int=5)))))
ALL_BITS_BYTES_MAX = 80
ENDINGS = ["clean", "killed", "failed"]
MARKS = {"running", "clean-shutdown", "io-failure"}
KINDS = [RestartKind.CLEAN, RestartKind.PROCESS_CRASH, RestartKind.POWER_LOSS]  # ever less trusted
NAMES = {
    "meta.json", "meta.copy.json", "running", "clean-shutdown", "io-failure", "partitions.manifest",
    "quorum-state", "quorum-state.tmp", "entries.log", "snapshot", "checkpoint", "resume",
    "compaction", "quarantine", "time-mark", "high-watermarks", "leader-epoch-checkpoint", ".log",
    ".index", ".timeindex", ".txnindex", ".snapshot",
}  # fmt: skip


def made(ending: str) -> MemoryFiles:
    files = MemoryFiles()
    log_dir = LogDir.open(files, ROOT, OURS, boot_id="boot-1")
    log_dir.create_partitions([NewPartition(KEY, "topic"), NewPartition(LOST, "topic")])
    fill(log_dir.open_partition(KEY, CONFIG, now_ms=NOW_MS))
    write_state(files, ROOT / KEY.directory_name, CompactionState(4, 5, NOW_MS)).sync()
    log_dir.quarantine(LOST, "a reader met a wrong checksum")
    unlink = log_dir.garbage_job()
    assert unlink is not None
    unlink()
    fill_quorum(files)
    log_dir.mark_time(NOW_MS)()
    log_dir.watermarks.write([(*KEY, 11), (*LOST, 3)])
    log_dir.close(is_clean=ending == "clean")
    if ending == "failed":
        restart.mark_failure(files, ROOT, "sync: Input/output error")
    files.kill()
    return files


def fill(log: PartitionLog) -> None:
    """Several segments, leader epochs and producers, an aborted transaction in each of four."""
    for number in range(12):
        batch = client_batch(
            [b"x" * 150],
            key=b"key-%d" % (number % 5),
            timestamps_ms=[NOW_MS + number],
            producer_id=7,
            producer_epoch=0,
            sequence=number,
            is_transactional=True,
        )
        log.stage(batch, leader_epoch=number // 3, now_ms=NOW_MS, is_verified=True)
        log.write()
        if number % 3 == 2:
            marker = marker_batch(7, MarkerType.ABORT)
            log.stage(marker, leader_epoch=number // 3, now_ms=NOW_MS, is_client=False)
            log.write()
        sync(log)
        log.forget_decided(log.log_end_offset)
    log.delete_records_before(2)
    sync(log)


def fill_quorum(files: MemoryFiles) -> None:
    """A snapshot, several frames behind it with voter sets, a term and a vote."""
    disk = RaftDisk(files, METADATA)
    disk.bootstrap([encode_voters(VOTERS), b"first"], 1)
    disk.load()
    disk.persist(Ready(HardState(3, 1, UUID(int=1))))
    for at in range(2, 8):
        disk.persist(Ready(batches=[EntryBatch(at, 3, (encode_voters(VOTERS),))]))


Said = tuple[Any, ...]
Judge = Callable[[MemoryFiles, str], Said]


def root_said(files: MemoryFiles, _ending: str) -> Said:
    """Whose it is, how it ended (its place in KINDS first), what it holds."""
    log_dir = LogDir.open(files, ROOT, replace(OURS, directory_id=UUID(int=2)), boot_id="boot-1")
    quarantined = set(log_dir.quarantined)
    return (
        KINDS.index(log_dir.restart_kind),
        (
            log_dir.identity,
            set(log_dir.manifest.topics),
            quarantined,
            log_dir.last_used_ms,
            log_dir.watermarks.stored,
        ),
    )


def quorum_said(files: MemoryFiles, _ending: str) -> Said:
    """Term, vote, entries, snapshot."""
    disk = RaftDisk(files, METADATA)
    return (*disk.load(), disk.snapshot)


def log_said(files: MemoryFiles, ending: str) -> Said:
    """What a partition's readers are told by every index, epoch and note."""
    directory = ROOT / KEY.directory_name
    was_clean = ending == "clean"
    log = PartitionLog.open(files, directory, CONFIG, was_clean=was_clean, now_ms=NOW_MS)
    start, end = log.log_start_offset, log.log_end_offset
    log.forget_decided(end)  # As its partition does, once it is committed.
    aborted = log.all_aborted_transactions()
    batches = [read_header(memoryview(one)) for one in read_all(log)]
    return (
        start,
        end,
        [(header.base_offset, header.crc) for header in batches],
        [log.epoch_end(epoch) for epoch in range(-1, 6)],
        [log.offset_for_timestamp(NOW_MS + ms, end) for ms in range(-1, 14)],
        log.producers.encode(),
        [one._replace(first_offset=max(start, one.first_offset)) for one in aborted],
        [segment.max_timestamp_ms for segment in log.segments],
        log.compaction.state.gaps_end,
    )


WHOLE = {ending: made(ending) for ending in ENDINGS}


def paths_of(files: MemoryFiles) -> list[PurePath]:
    paths = all_files(files, ROOT)
    return [path for path in paths if path.suffix != ".log" or path.parent == METADATA]


def test_the_directory_has_every_kind_of_small_file() -> None:
    """And no kind that nobody thought of: a new one belongs into NAMES, and is then tried."""
    found = {
        path.suffix if path.stem.isdecimal() else path.name
        for files in WHOLE.values()
        for path in all_files(files, ROOT)
    }
    assert found == NAMES


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("turn", range(6))
def test_a_flipped_bit_is_never_believed(turn: int, ending: str) -> None:
    """turn: the files are dealt out to six tests, to run beside each other."""
    whole = WHOLE[ending]
    tried = 0
    for path in paths_of(whole)[turn::6]:
        judge, part = part_with(whole, path)
        wanted = judge(part.copy(), ending)
        for files, what in flips(part, path, is_thorough=ending == "killed"):
            tried += 1
            try:
                got = judge(files, ending)
            except (DirectoryRefused, DamagedLog):
                assert judge is not log_said, f"{what}: it was whole before, and can be again"
                continue
            if path.name in MARKS:
                assert got[0] >= wanted[0], f"{what}: taken for a better stop than it was"
                got = (wanted[0], *got[1:])
            assert got == wanted, what
    assert tried


def part_with(whole: MemoryFiles, path: PurePath) -> tuple[Judge, MemoryFiles]:
    """The part of the directory that a file belongs to, and who reads it."""
    if path.parent == METADATA:
        return quorum_said, copied(whole, METADATA)
    if path.parent == ROOT / KEY.directory_name:
        return log_said, copied(whole, path.parent)
    # A partition's directory without files would be one whose creation a kill cut off.
    return root_said, copied(whole, ROOT, *(ROOT / key.directory_name for key in (KEY, LOST)))


def copied(whole: MemoryFiles, *directories: PurePath) -> MemoryFiles:
    part = MemoryFiles()
    for directory in (METADATA, *(ROOT / key.directory_name for key in (KEY, LOST))):
        part.make_directory(directory)
    for path in all_files(whole, ROOT):
        if path.parent in directories:
            content = whole.open(path).content
            part.open(path, create=True).append([content], len(content))
    return part


def flips(
    whole: MemoryFiles, path: PurePath, *, is_thorough: bool
) -> Iterator[tuple[MemoryFiles, str]]:
    """One bit of every byte; thorough: in short files all eight."""
    size_bytes = whole.size_bytes(path)
    for at in range(size_bytes):
        for bit in range(8) if is_thorough and size_bytes <= ALL_BITS_BYTES_MAX else [at % 8]:
            files = whole.copy()
            files.open(path).content[at] ^= 1 << bit
            yield files, f"{path}: bit {bit} of byte {at}"
