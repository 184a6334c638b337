"""High watermarks that outlive their processes: who knew what was committed knows it still."""

from pathlib import PurePath
from uuid import UUID

import pytest

from data_plane.broker.watermark_cycle import INTERVAL_MS
from data_plane.log.disk_space import DiskMark
from data_plane.log.identity import Identity
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.manifest import PartitionKey
from data_plane.log.memory_files import MemoryFiles, PowerCut
from data_plane.log.watermarks import read_watermarks
from data_plane.protocol.errors import ErrorCode
from tests.unit.data_plane.broker.cluster_world import TOPIC, TOPIC_ID, ClusterWorld, outcome
from tests.unit.data_plane.broker.world import World, batch_of, produced

ROOT = PurePath("/data")
KEY = PartitionKey(TOPIC_ID, 0)
LATER_MS = 600_000


def world_with_one_record(*, is_spread: bool = False) -> ClusterWorld:
    """is_spread: and nothing of it gets synced."""
    world = ClusterWorld()
    if is_spread:
        world.create_topic(flush_ms=str(LATER_MS), min_insync_replicas="2")
    else:
        world.create_topic()
    world.settle()
    sent = world.produce(0, batch_of(b"one"))
    world.settle()
    assert outcome(sent) == ErrorCode.NONE
    pass_time(world)
    return world


def pass_time(world: ClusterWorld) -> None:
    for _ in range(12):
        world.settle(ms=INTERVAL_MS // 10)


def stored(world: ClusterWorld, broker_id: int) -> dict[PartitionKey, int]:
    return read_watermarks(world.nodes[broker_id].files, ROOT)


@pytest.mark.parametrize("power", [True, False])
def test_every_replica_keeps_what_it_knew(power: bool) -> None:
    world = world_with_one_record()
    for broker_id in (0, 1, 2):
        assert stored(world, broker_id) == {KEY: 1}
    world.cut = {(1, 0), (0, 1), (1, 2), (2, 1)}
    world.kill(1, power=power)
    world.restart(1)
    world.nodes[1].turn()
    assert world.nodes[1].up.followers[TOPIC, 0].high_watermark == 1


def test_a_leader_that_knew_tells_offsets_at_once() -> None:
    world = world_with_one_record()
    world.cut = {(1, 0), (2, 0), (1, 2), (2, 1)}
    world.kill(1)
    world.rejoin(1)
    world.change(leader=1, isr=(0, 1, 2))
    assert world.list_offset(1, -1).offset == 1
    assert world.fetch(1).high_watermark == 1


def test_after_a_restart_no_replica_is_cut_below_what_was_committed() -> None:
    """A leader that lost what was committed, and is not said to: a controller's mistake."""
    world = world_with_one_record()
    world.kill(2)
    world.kill(0)
    world.kill(1)
    world.nodes[1].files.remove_tree(ROOT / KEY.directory_name)
    world.nodes[1].files.remove(ROOT / "partitions.manifest")  # As new as can be.
    for broker_id in (0, 1, 2):
        world.rejoin(broker_id)
    world.change(leader=1, isr=(1,), is_recovering=False)
    world.produce(1, batch_of(b"another"), acks=1)
    for _ in range(3):
        world.settle(ms=2_000)
    assert (TOPIC, 0) not in world.nodes[2].up.followers  # It has stopped, its files are there.
    assert b"one" in kept_bytes(world, 2)


def kept_bytes(world: ClusterWorld, broker_id: int) -> bytes:
    files = world.nodes[broker_id].files
    path = ROOT / KEY.directory_name / "00000000000000000000.log"
    return bytes(files.open(path).content)


def test_what_a_power_loss_took_is_not_claimed_by_what_is_written_later() -> None:
    """And a RECOVERING partition's rows come down, durably, before its replicas are cut."""
    world = world_with_one_record(is_spread=True)
    world.kill(1, power=True)
    world.restart(1)
    assert stored(world, 1) == {}
    world.unfence(1)
    world.change(leader=1, isr=(1,), is_recovering=True)
    for _ in range(3):
        world.settle(ms=1_000)
    for broker_id in (0, 2):
        assert world.nodes[broker_id].up.followers[TOPIC, 0].log.log_end_offset == 0
        assert stored(world, broker_id) == {}
        world.nodes[broker_id].files.crash()
        assert stored(world, broker_id) == {}


def recovering_world() -> ClusterWorld:
    """Broker 1 has lost a committed record and is to lead; brokers 0 and 2 do not know yet."""
    world = world_with_one_record(is_spread=True)
    world.kill(1, power=True)
    world.restart(1)
    world.unfence(1)
    return world


def cut_everywhere(world: ClusterWorld) -> None:
    world.change(leader=1, isr=(1,), is_recovering=True)
    for _ in range(3):
        world.settle(ms=1_000)


def changes_of_a_cut() -> int:
    world = recovering_world()
    files = world.nodes[0].files
    before = files.changes
    cut_everywhere(world)
    return files.changes - before


@pytest.mark.parametrize("change", range(changes_of_a_cut()))
@pytest.mark.parametrize("power", [True, False])
def test_a_broker_dies_at_any_change_while_it_cuts(change: int, power: bool) -> None:
    """What it claims then is below its log's end, and all come together again."""
    world = recovering_world()
    files = world.nodes[0].files
    files.changes_max = files.changes + change
    with pytest.raises(PowerCut):
        cut_everywhere(world)
    world.kill(0, power=power)
    world.rejoin(0)
    follower = world.nodes[0].up.followers.get((TOPIC, 0))
    claimed = stored(world, 0).get(KEY, 0)
    assert follower is None or claimed <= follower.log.log_end_offset
    sent = world.produce(1, batch_of(b"two"), acks=1)
    for _ in range(4):
        world.settle(ms=1_000)
    assert outcome(sent) == ErrorCode.NONE
    assert world.log_bytes(0) == world.log_bytes(1) == world.log_bytes(2)


def test_a_replica_that_leaves_and_comes_back_knows_nothing() -> None:
    world = world_with_one_record()
    world.change(replicas=(0, 1), isr=(0, 1))
    world.settle()
    world.change(replicas=(0, 1, 2), isr=(0, 1))
    world.kill(2)
    assert stored(world, 2) == {}
    world.rejoin(2)
    for _ in range(3):
        world.settle(ms=700)
    assert world.nodes[2].up.followers[TOPIC, 0].high_watermark == 1


def test_a_replica_that_is_made_anew_had_its_row_taken_away_before() -> None:
    files = MemoryFiles()
    log_dir = LogDir.open(files, ROOT, Identity("cluster", 0, UUID(int=1)))
    log_dir.create_partitions([NewPartition(KEY, TOPIC)])
    log_dir.watermarks.write([(*KEY, 5)])
    log_dir.delete_partitions([KEY])
    assert read_watermarks(files, ROOT) == {KEY: 5}
    log_dir.create_partitions([NewPartition(KEY, TOPIC)])
    assert read_watermarks(files, ROOT) == {}


def test_on_a_full_disk_the_older_file_stays() -> None:
    world = world_with_one_record()
    node = world.nodes[1]
    node.files.capacity_bytes = 1000
    world.settle(ms=1_000)
    assert node.up.log_dir.disk_mark is DiskMark.FULL
    changes = node.files.changes
    pass_time(world)
    assert node.files.changes == changes
    assert stored(world, 1) == {KEY: 1}


def test_a_clean_stop_writes_them_last() -> None:
    world = World()
    world.create_topic("t")
    for at in range(3):
        assert produced(world.produce("t", batch_of(b"v"))).base_offset == at
    world.broker.close()
    assert list(read_watermarks(world.files, ROOT).values()) == [3]
