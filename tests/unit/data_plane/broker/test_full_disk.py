"""A disk that something else has filled: a topic can be deleted, by a broker that starts so too."""

from pathlib import PurePath

import pytest

from data_plane.log.disk_space import BALLAST_NAME, RESERVE_NAME, DiskMark
from data_plane.log.memory_files import MemoryFiles
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from tests.unit.data_plane.broker.world import World, batch_of, fetched, produced

DATA = PurePath("/data")
CAPACITY_BYTES = 256 << 20
BIG = [b"." * 100_000] * 10


def world_with_topics() -> World:
    world = World(files=MemoryFiles(capacity_bytes=CAPACITY_BYTES))
    world.settle()
    for name in ("big", "small"):
        world.create_topic(name)
        assert produced(world.produce(name, batch_of(*BIG))).error_code == ErrorCode.NONE
    world.sleep(1_000)
    assert world.files.exists(DATA / BALLAST_NAME)
    assert world.files.exists(DATA / RESERVE_NAME)
    return world


def fill(world: World, name: str) -> None:
    world.files.allocate(DATA / name, world.files.free_bytes())
    assert world.files.free_bytes() == 0


def fill_for_good(world: World) -> None:
    """What is given up for it is taken as well."""
    fill(world, "neighbour")
    world.sleep(1_000)
    assert world.broker.log_dir.disk_mark is DiskMark.FULL
    fill(world, "another")


def delete(world: World, name: str) -> None:
    (row,) = world.ask(DeleteTopicsRequest(topic_names=[name]), 5).response().responses
    assert row.error_code == ErrorCode.NONE, row
    world.settle()


def test_a_topic_can_be_deleted_on_a_disk_without_a_free_byte() -> None:
    world = world_with_topics()
    fill_for_good(world)
    assert produced(world.produce("small", batch_of(b"no"))).error_code
    assert fetched(world.fetch("small", 0)).records
    delete(world, "big")
    assert world.broker.image.topic("big") is None
    assert world.files.free_bytes() >= sum(map(len, BIG))
    assert not world.failures
    world.files.remove(DATA / "neighbour")
    world.sleep(1_000)
    assert produced(world.produce("small", batch_of(b"yes"))).error_code == ErrorCode.NONE


@pytest.mark.parametrize("has_power", [True, False])
def test_a_broker_starts_on_a_disk_that_was_filled_meanwhile_and_deletes(has_power: bool) -> None:
    world = world_with_topics()
    fill_for_good(world)

    def stop(world: World) -> None:
        if has_power:
            world.files.kill()
        else:
            world.files.crash()

    world.restart(stop)
    assert fetched(world.fetch("small", 0)).records
    delete(world, "big")
    assert world.files.free_bytes() >= sum(map(len, BIG))
    assert not world.failures


def test_what_a_full_manifest_goes_on_naming_is_deleted_by_the_next_start() -> None:
    world = world_with_topics()
    deleted = [key for key, name in world.broker.log_dir.manifest.topics.items() if name == "big"]
    world.files.fail("append", 28, "partitions.manifest")  # ENOSPC
    delete(world, "big")
    assert not world.files.faults
    assert not world.failures
    world.restart(lambda world: world.files.kill())
    assert not set(deleted) & set(world.broker.log_dir.partitions())
    assert not world.broker.log_dir.quarantined
