"""What a later leader makes of a follower's log, on disk: conflicts, votes, first directories."""

import contextlib
import errno
import struct
from pathlib import PurePath
from random import Random
from uuid import UUID

import pytest
from crc32c import crc32c

from data_plane.log.failures import DamagedLog, LogFailure
from data_plane.log.memory_files import MemoryFiles
from data_plane.raft.durable import STATE_NAME, RaftDisk
from data_plane.raft.entries import EntryBatch, HardState, Ready
from data_plane.raft.snapshot import Snapshot
from data_plane.raft.voters import Voter, VoterKey, VoterSet, encode_voters, voters_in

DIRECTORY = PurePath("/data/metadata")


def opened(files: MemoryFiles) -> RaftDisk:
    disk = RaftDisk(files, DIRECTORY)
    disk.load()
    return disk


def persisted(files: MemoryFiles, *batches: EntryBatch) -> RaftDisk:
    disk = opened(files)
    disk.persist(Ready(HardState(9, 1)))
    for batch in batches:
        disk.persist(Ready(batches=[batch]))
    return disk


def one(offset: int, term: int, count: int = 1) -> EntryBatch:
    return EntryBatch(offset, term, tuple(b"%d.%d" % (term, at) for at in range(count)))


def test_a_batch_at_an_earlier_offset_replaces_what_was_from_there_on() -> None:
    files = MemoryFiles()
    persisted(files, one(0, 1), one(1, 1), one(2, 1, 3), one(1, 2), one(2, 2))
    files.crash()
    assert RaftDisk(files, DIRECTORY).load()[1] == [one(0, 1), one(1, 2), one(2, 2)]


def test_a_batch_inside_another_one_is_damage() -> None:
    files = MemoryFiles()
    persisted(files, one(0, 1, 3), one(1, 2))
    with pytest.raises(DamagedLog, match="twice"):
        RaftDisk(files, DIRECTORY).load()


@pytest.mark.parametrize("cut_at", range(8))
def test_a_cut_keeps_the_replacement(cut_at: int) -> None:
    """The log is cut behind a snapshot at any offset; what was replaced does not come back."""
    files = MemoryFiles()
    disk = persisted(
        files, one(0, 1), one(1, 1, 5), one(6, 1), one(1, 2), one(2, 2, 3), one(5, 2), one(6, 3, 2)
    )
    whole = [one(0, 1), one(1, 2), one(2, 2, 3), one(5, 2), one(6, 3, 2)]
    found = [batch for batch in whole if batch.last_offset <= cut_at]
    if not found:
        return
    mark = found[-1]
    draft = disk.draft_snapshot(
        mark.last_offset, lambda: Snapshot(mark.last_offset, mark.term, (b"state",))
    )
    draft.write()
    draft.publish()
    cut = disk.begin_cut(draft.last_offset)
    cut.write()
    disk.finish_cut(cut, draft.size_bytes)
    files.crash()
    kept = [batch for batch in whole if batch.last_offset > mark.last_offset]
    assert RaftDisk(files, DIRECTORY).load()[1] == kept


def test_the_vote_is_for_a_directory() -> None:
    files = MemoryFiles()
    state = HardState(4, 2, UUID(int=77))
    opened(files).persist(Ready(state))
    files.crash()
    assert RaftDisk(files, DIRECTORY).load()[0] == state


def test_a_state_without_directory_is_read() -> None:
    """As a broker that was alone wrote it."""
    files = MemoryFiles()
    opened(files)
    body = struct.pack(">qi", 6, 3)
    file = files.open(DIRECTORY / STATE_NAME, create=True)
    content = b"OTQ1" + struct.pack(">I", crc32c(body)) + body
    file.append([content], len(content))
    assert RaftDisk(files, DIRECTORY).load()[0] == HardState(6, 3)


VOTERS = VoterSet((Voter(VoterKey(0, UUID(int=5)), "host:0"),))


def bootstraps(files: MemoryFiles) -> None:
    files.make_directory(DIRECTORY)
    files.sync_directory(DIRECTORY.parent)
    RaftDisk(files, DIRECTORY).bootstrap([encode_voters(VOTERS)], 0)


def test_a_first_directory_holds_the_first_voters() -> None:
    files = MemoryFiles()
    bootstraps(files)
    assert not RaftDisk(files, DIRECTORY).is_empty
    disk = opened(files)
    assert disk.snapshot is not None
    assert voters_in(disk.snapshot.entries) == VOTERS


@pytest.mark.parametrize("changes_max", range(12))
def test_power_fails_while_a_directory_is_made(changes_max: int) -> None:
    """It is whole, or empty as before: never a quorum of another kind."""
    from data_plane.log.memory_files import PowerCut

    files = MemoryFiles()
    files.changes_max = changes_max
    with contextlib.suppress(PowerCut):
        bootstraps(files)
    files.crash(Random(changes_max))
    disk = RaftDisk(files, DIRECTORY)
    if disk.is_empty:
        bootstraps(files)
    disk = opened(files)
    assert disk.snapshot is not None
    assert voters_in(disk.snapshot.entries) == VOTERS


def test_what_a_failed_sync_has_dropped_is_written_anew() -> None:
    """The page cache still shows the frame, and takes every later sync for a success."""
    files = MemoryFiles()
    disk = persisted(files, one(0, 1))
    files.fail("sync", errno.EIO)
    with pytest.raises(LogFailure):
        disk.persist(Ready(batches=[one(1, 2)]))
    files.kill()
    again = RaftDisk(files, DIRECTORY)
    assert again.load(is_distrusted=True)[1] == [one(0, 1), one(1, 2)]
    again.persist(Ready(batches=[one(2, 2)]))
    files.crash()
    assert RaftDisk(files, DIRECTORY).load()[1] == [one(0, 1), one(1, 2), one(2, 2)]
