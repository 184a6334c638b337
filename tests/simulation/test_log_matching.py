"""Log matching itself: it is told of nothing else, and sees what no watermark has reached."""

from pathlib import PurePath
from uuid import UUID

import pytest

from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.protocol.records.record import Record, encode_batch
from data_plane.raft.entries import EntryBatch
from data_plane.raft.memory_log import Mark, MemoryLog
from data_plane.raft.voters import VoterKey
from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.invariants import Violation
from tests.simulation.log_matching import LogMatching, Seen, TermMatching

OF = (UUID(int=1), 0)


class Replica:
    """A log of its own on a disk of its own, looked at behind each step."""

    def __init__(self, matching: LogMatching, config: LogConfig | None = None) -> None:
        self.files = MemoryFiles()
        directory = PurePath("/data/p")
        self.log = PartitionLog.create(self.files, directory, config or LogConfig(), now_ms=0)
        self._matching, self._seen = matching, Seen()

    def append(self, value: bytes, epoch: int) -> None:
        batch = encode_batch([Record(0, 0, b"key", value)], base_timestamp_ms=0)
        self.log.stage(memoryview(bytearray(batch)), leader_epoch=epoch, now_ms=0)
        self.log.write()
        self.look()

    def look(self) -> None:
        self._matching.look(self.log, self._seen, self.files, OF, committed=0)

    def looks_anew(self) -> None:
        self._seen = Seen()
        self.look()


def test_equal_suffixes_match() -> None:
    matching = LogMatching()
    one, other = Replica(matching), Replica(matching)
    for replica in (one, other):
        replica.append(b"a", 0)
        replica.append(b"b", 1)
    one.looks_anew()
    assert (matching.compared, matching.above) == (4, 4)


def test_other_bytes_of_the_same_epoch_are_seen_before_anything_is_committed() -> None:
    matching = LogMatching()
    one, other = Replica(matching), Replica(matching)
    one.append(b"a", 0)
    with pytest.raises(Violation, match="offset 0 of epoch 0 has other bytes"):
        other.append(b"b", 0)


def test_the_same_bytes_behind_another_history_are_seen() -> None:
    matching = LogMatching()
    one, other = Replica(matching), Replica(matching)
    one.append(b"a", 0)
    other.append(b"other", 1)
    one.append(b"b", 2)
    with pytest.raises(Violation, match=r"offset 1 of epoch 2 is behind \(0, 0\) and behind"):
        other.append(b"b", 2)


def test_what_is_in_the_place_of_a_cut_suffix_is_new() -> None:
    matching = LogMatching()
    one, other = Replica(matching), Replica(matching)
    for replica in (one, other):
        replica.append(b"a", 0)
    one.append(b"never committed", 0)
    one.log.truncate_to(1)
    one.append(b"b", 1)
    other.append(b"b", 1)
    one.log.truncate_to(1)
    with pytest.raises(Violation, match="offset 1 of epoch 1"):
        one.append(b"c", 1)


def test_a_compacted_log_may_lack_records_and_has_none_of_its_own() -> None:
    matching, config = LogMatching(), LogConfig(is_compacted=True)
    one, other = Replica(matching, config), Replica(matching, config)
    one.append(b"a", 0)
    with pytest.raises(Violation, match="other bytes"):
        other.append(b"b", 0)


def test_metadata_of_one_term_and_offset_is_the_same_on_every_node() -> None:
    matching = TermMatching()
    keys = [VoterKey(at, UUID(int=at)) for at in range(2)]
    logs = [MemoryLog(Mark()) for _ in keys]
    for key, log in zip(keys, logs, strict=True):
        log.append(EntryBatch(0, 1, (b"a",)))
        matching.look(key, log)
    logs[0].append(EntryBatch(1, 2, (b"b",)))
    matching.look(keys[0], logs[0])
    logs[0].truncate_from(1)
    logs[0].append(EntryBatch(1, 3, (b"c",)))
    matching.look(keys[0], logs[0])
    logs[1].append(EntryBatch(1, 3, (b"d",)))
    with pytest.raises(Violation, match=r"metadata at \(1, 3\) of broker 1 differs"):
        matching.look(keys[1], logs[1])


def test_a_world_compares_what_is_not_committed() -> None:
    world = ClusterWorld(0)
    world.run()
    invariants = world.invariants
    assert invariants.matching.above > 100
    assert invariants.term_matching.compared > 10
