"""A replica whose bytes are not what was written: who serves instead, when it begins anew."""

from pathlib import PurePath

import pytest

from data_plane.broker.scrub import FIRST_PASS_MS, PASS_EVERY_MS
from data_plane.log.failures import DamagedLog
from data_plane.log.manifest import PartitionKey
from data_plane.log.partition_log import PartitionLog
from data_plane.log.segment import LOG, segment_path
from data_plane.metadata.commit_rules import Judges
from data_plane.metadata.leadership import told_damaged, told_lost
from data_plane.metadata.records import CommitMode
from data_plane.protocol.errors import ErrorCode
from tests.unit.data_plane.broker.cluster_world import TOPIC, TOPIC_ID, ClusterWorld, outcome
from tests.unit.data_plane.broker.world import batch_of

KEY = PartitionKey(TOPIC_ID, 0)
LATER_MS = 5_000  # What was written is not trusted any more.


def filled() -> ClusterWorld:
    world = ClusterWorld()
    world.create_topic()
    world.settle()
    for value in (b"one", b"two", b"three"):
        sent = world.produce(0, batch_of(value))
        world.settle()
        assert outcome(sent) == ErrorCode.NONE
    world.settle(ms=LATER_MS)
    return world


def rot(world: ClusterWorld, broker_id: int) -> None:
    """Change a byte of the second record's value."""
    path = segment_path(PurePath("/data") / KEY.directory_name, 0, LOG)
    file = world.nodes[broker_id].files.open(path)
    whole = bytearray(file.read(0, file.size_bytes()))
    whole[whole.index(b"two")] ^= 1
    file.truncate(0)
    file.append([bytes(whole)], len(whole))


def lost_of(world: ClusterWorld, broker_id: int) -> bool:
    """It has told the controller so."""
    told = world.nodes[broker_id].metadata.ends
    return any(row.is_lost for topic in told for row in topic.partitions)


def hear(world: ClusterWorld, broker_id: int, only: tuple[int, ...] | None = None) -> None:
    """The controller hears of the loss; the brokers know what it decides, or only some."""
    told = world.nodes[broker_id].metadata.ends
    (found,) = [row for topic in told for row in topic.partitions if row.is_lost]
    decide = told_lost if found.last_epoch < 0 else told_damaged
    row = decide(world.rows[0], Judges(world.scope).of(TOPIC), broker_id)
    world.tell([row] if row is not world.rows[0] else [], only)


def test_a_damaged_leader_hands_over_and_is_copied_anew() -> None:
    world = filled()
    before = world.log_bytes(1)
    rot(world, 0)
    assert b"two" not in world.fetch(0, 0).records
    found = world.fetch(0, 1)
    assert (found.error_code, found.records) == (ErrorCode.KAFKA_STORAGE_ERROR, b"")
    world.settle()
    hear(world, 0)
    assert world.rows[0].leader == 1
    assert set(world.rows[0].isr) == {1, 2}
    world.settle(ms=1_000)
    world.settle(ms=1_000)
    assert set(world.rows[0].isr) == {0, 1, 2}
    assert not lost_of(world, 0), "each heartbeat would put it out of the ISR again"
    assert world.log_bytes(0) == before
    assert world.fetch(1).high_watermark == 3


def test_a_lost_follower_waits_until_nobody_counts_on_what_it_told() -> None:
    """Its leader may yet put it back into the ISR for what it had fetched: an empty log in there
    could be elected. The image of this broker is behind, and does not tell."""
    world = filled()
    world.change(isr=(0, 1))
    world.change(isr=(0, 1, 2), only=(0, 1))  # It has caught up, which it does not know yet.
    lagging = world.nodes[2]
    lagging.up.quarantine(lagging.up.followers[TOPIC, 0], DamagedLog("found by compaction"))
    lagging.turn()
    assert lost_of(world, 2)
    lagging.turn()
    assert KEY in lagging.up.log_dir.quarantined, "not in the ISR that it knows, and yet kept"
    world.learn_all(2)
    hear(world, 2)
    world.settle(ms=1_000)
    world.settle(ms=1_000)
    assert set(world.rows[0].isr) == {0, 1, 2}
    assert world.log_bytes(2) == world.log_bytes(0)


def test_who_was_out_of_the_isr_already_gets_an_epoch_to_begin_anew_in() -> None:
    world = filled()
    world.change(isr=(0, 1))
    node = world.nodes[2]
    node.up.quarantine(node.up.followers[TOPIC, 0], DamagedLog("found by compaction"))
    node.turn()
    before = world.rows[0]
    assert KEY in node.up.log_dir.quarantined
    hear(world, 2)
    after = world.rows[0]
    assert (after.leader, after.isr) == (before.leader, before.isr)
    assert after.leader_epoch == before.leader_epoch + 1
    world.settle(ms=1_000)
    assert world.log_bytes(2) == world.log_bytes(0)


def test_what_nobody_reads_is_looked_at_too() -> None:
    world = filled()
    rot(world, 2)
    world.settle(ms=FIRST_PASS_MS)
    for _ in range(3):  # A step a second, of one read each.
        world.settle(ms=1_000)
    hear(world, 2)
    world.settle(ms=1_000)
    world.settle(ms=1_000)
    assert set(world.rows[0].isr) == {0, 1, 2}
    assert world.log_bytes(2) == world.log_bytes(0)
    assert [lost_of(world, each) for each in (0, 1)] == [False, False]


def test_a_scrub_comes_to_the_end_of_a_log_and_begins_again_a_day_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, read = filled(), []
    check = PartitionLog.check

    def counted(self: PartitionLog, offset: int, *, offset_limit: int) -> int:
        read.append(check(self, offset, offset_limit=offset_limit))
        return read[-1]

    monkeypatch.setattr(PartitionLog, "check", counted)
    for _ in range(3):
        world.settle(ms=FIRST_PASS_MS)
    assert read == [3] * 3, "each of three replicas, to its end"
    world.settle(ms=PASS_EVERY_MS)
    world.settle(ms=1_000)
    assert read == [3] * 6


def test_a_replica_found_lost_at_a_start_begins_anew() -> None:
    world = filled()
    world.kill(2)
    directory = PurePath("/data") / KEY.directory_name
    world.nodes[2].files.remove_tree(directory)
    world.rejoin(2)
    world.settle()
    assert not lost_of(world, 2), "nobody counts on it, so it has begun already"
    world.settle(ms=1_000)
    world.settle(ms=1_000)
    assert set(world.rows[0].isr) == {0, 1, 2}
    assert world.log_bytes(2) == world.log_bytes(0) != b""


def test_who_alone_is_in_sync_serves_what_is_whole() -> None:
    world = filled()
    world.kill(1)
    world.kill(2)
    world.fence(1)
    world.fence(2)
    world.tell([])
    rot(world, 0)
    assert world.rows[0].isr == (0,)
    offsets = [0, 1, 2]
    codes = [world.fetch(0, offset).error_code for offset in offsets]
    assert codes == [ErrorCode.NONE, ErrorCode.CORRUPT_MESSAGE, ErrorCode.NONE]
    assert b"one" in world.fetch(0, 0).records
    assert b"three" in world.fetch(0, 2).records
    assert set(world.nodes[0].up.damaged) == {KEY}
    assert outcome(world.produce(0, batch_of(b"four"), acks=1)) == ErrorCode.NONE
    before = world.rows[0]
    hear(world, 0)
    assert world.rows[0] is before, "nobody else can serve it"
    assert not world.nodes[0].up.log_dir.quarantined


def test_who_was_alone_hands_over_once_another_one_is_in_sync() -> None:
    """The ISR may have shrunk while the damage was told: the controller leaves it its place."""
    world = filled()
    for each in (1, 2):
        world.kill(each)
        world.fence(each)
    rot(world, 0)
    assert world.fetch(0, 1).error_code == ErrorCode.KAFKA_STORAGE_ERROR, "as far as it knows"
    world.tell([])
    hear(world, 0)
    assert (world.rows[0].leader, world.rows[0].isr) == (0, (0,))
    world.rejoin(1)
    for _ in range(4):
        world.settle(ms=1_000)
    assert 1 in world.rows[0].isr
    hear(world, 0)
    assert world.rows[0].leader == 1
    for _ in range(4):
        world.settle(ms=1_000)
    assert set(world.rows[0].isr) == {0, 1}
    assert world.log_bytes(0) == world.log_bytes(1)
    assert not world.nodes[0].up.damaged


def test_in_synced_mode_it_is_the_same() -> None:
    world = ClusterWorld()
    world.create_topic(mode=CommitMode.SYNCED)
    world.settle()
    sent = world.produce(0, batch_of(b"two"))
    world.settle()
    assert outcome(sent) == ErrorCode.NONE
    world.settle(ms=LATER_MS)
    rot(world, 0)
    assert world.fetch(0).error_code == ErrorCode.KAFKA_STORAGE_ERROR
    world.settle()
    hear(world, 0)
    world.settle(ms=1_000)
    world.settle(ms=1_000)
    assert set(world.rows[0].isr) == {0, 1, 2}
    assert world.log_bytes(0) == world.log_bytes(1)
