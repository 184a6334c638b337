"""What cannot be read back (EIO) is its own partition's misfortune: it is told of, and never cut.

Method: a whole broker over a disk in memory, some of whose files give EIO to whoever reads them.
"""

from collections.abc import Iterator
from pathlib import PurePath
from uuid import UUID

import pytest

from data_plane.log.failures import LogFailure
from data_plane.log.manifest import PartitionKey
from data_plane.log.memory_files import MemoryFiles
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from data_plane.raft.durable import RaftDisk
from data_plane.raft.messages import SnapshotChunk
from data_plane.raft.voters import VoterKey
from tests.unit.data_plane.broker.world import World, batch_of, fetched, produced

COUNT = 6


@pytest.fixture
def world() -> Iterator[World]:
    """Two topics of a few segments each, opened anew: nobody remembers any place in them."""
    made = World()
    for topic in ("whole", "bad"):
        made.create_topic(topic, segment_bytes="300", retention_ms="600000")
        for number in range(COUNT):
            assert not produced(made.produce(topic, batch_of(b"%d" % number * 80))).error_code
    made.restart(lambda one: one.broker.close())
    for topic in ("whole", "bad"):
        made.broker.partition(topic, 0)
    yield made
    assert not made.failures


def spoil(world: World, what: str = "") -> None:
    world.files.unreadable.add(f"{key_of(world).directory_name}/{what}")


def key_of(world: World, topic: str = "bad") -> PartitionKey:
    return PartitionKey(world.topic_id(topic), 0)


def sizes(world: World) -> dict[str, int]:
    """Of the segments of the topic that cannot be read."""
    directory = world.broker.log_dir.root / key_of(world).directory_name
    names = [one for one in world.files.list_names(directory) if one.endswith(".log")]
    return {name: world.files.size_bytes(directory / name) for name in names}


def assert_is_told(world: World) -> None:
    """Nobody else has it, so what can be read of it is served on; the others are as they were."""
    assert world.broker.damaged == {key_of(world)}
    assert not world.broker.log_dir.quarantined
    assert fetched(world.fetch("bad", 1)).error_code == ErrorCode.CORRUPT_MESSAGE
    assert not fetched(world.fetch("whole", 0)).error_code


def test_a_place_that_cannot_be_found_is_that_partition_s_own_error(world: World) -> None:
    """It had closed the connection, with all other partitions that were asked for on it."""
    before = sizes(world)
    spoil(world)
    assert fetched(world.fetch("bad", 1)).error_code == ErrorCode.CORRUPT_MESSAGE
    assert_is_told(world)
    assert sizes(world) == before


def test_a_date_that_cannot_be_looked_up_is_that_partition_s_own_error(world: World) -> None:
    spoil(world)
    rows = [
        ListOffsetsRequestTopic(topic, [ListOffsetsRequestPartition(0, timestamp=world.now_ms - 1)])
        for topic in ("bad", "whole")
    ]
    response = world.ask(ListOffsetsRequest(topics=rows), 5).response()
    assert [one.partitions[0].error_code for one in response.topics] == [
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.NONE,
    ]
    assert_is_told(world)


@pytest.mark.parametrize("suffix", [".index", ".timeindex", ".txnindex"])
def test_an_index_that_cannot_be_read_is_made_anew(world: World, suffix: str) -> None:
    directory = world.broker.log_dir.root / key_of(world).directory_name
    for name in world.files.list_names(directory):
        if name.endswith(suffix):
            spoil(world, name)
    found = fetched(world.fetch("bad", 1, version=12))
    assert not found.error_code
    assert b"1" * 80 in bytes(found.records or b"")
    assert not world.broker.log_dir.quarantined


def test_upkeep_goes_on_with_the_others(world: World) -> None:
    """It had ended each tick there, with all that comes behind it in one."""
    world.files.unreadable.add(key_of(world).directory_name)
    world.now_ms += 700_000
    world.broker.tick(world.now_ms)
    world.settle()
    assert world.broker.damaged == {key_of(world)}
    assert world.broker.partition("whole", 0).log.log_start_offset == COUNT


def test_a_snapshot_of_the_metadata_that_cannot_be_read_ends_the_broker() -> None:
    """As any other failure of its disk: another voter is to lead."""
    files = MemoryFiles()
    disk = RaftDisk(files, PurePath("/data/metadata"))
    disk.load()
    disk.bootstrap([b"x" * 100], 0)
    key = VoterKey(0, UUID(int=1))
    chunk = SnapshotChunk(
        cluster_id="c",
        source=key,
        target=key,
        term=1,
        last_offset=0,
        last_term=0,
        size_bytes=50,
        position=0,
        sent_ms=0,
    )
    filled = disk.fill(chunk, 10)
    assert filled is not None
    assert len(filled.data) == 10
    files.unreadable.add("snapshot")
    with pytest.raises(LogFailure):
        disk.fill(chunk, 10)
