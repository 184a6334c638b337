"""Logs of a large topic are made off the loop; what is deleted or used then is not mixed up."""

import errno
from pathlib import PurePath
from uuid import UUID

import pytest

from data_plane.broker.log_maker import MADE_AT_ONCE_MAX, LogMaker
from data_plane.log.failures import LogFailure
from data_plane.log.identity import Identity
from data_plane.log.log_config import LogConfig
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.manifest import PartitionKey, read_topics
from data_plane.log.memory_files import MemoryFiles
from tests.factories.record_batches import NOW_MS, append, client_batch
from tests.unit.data_plane.broker.world import HeldExecutor

ROOT = PurePath("/data")
KEYS = [PartitionKey(UUID(int=7), at) for at in range(2 * MADE_AT_ONCE_MAX)]
NEW = [NewPartition(key, "t") for key in KEYS]


class Making:
    def __init__(self) -> None:
        self.files = MemoryFiles()
        self.log_dir = LogDir.open(self.files, ROOT, Identity("c", 0, UUID(int=1)))
        self.executor = HeldExecutor()
        self.executor.is_held = True
        self.failures: list[BaseException] = []
        self.maker = LogMaker(self.log_dir, self.executor, self.failures.append)

    @property
    def named(self) -> set[PartitionKey]:
        return set(read_topics(self.files, ROOT))


def test_many_are_made_without_a_sync_on_the_loop_and_are_there_after_a_power_loss() -> None:
    making = Making()
    before = making.files.sync_count
    making.maker.want(NEW)
    making.maker.step()
    assert making.files.sync_count == before
    assert not making.log_dir.partitions()
    assert all(making.maker.is_awaited(key) for key in KEYS)
    making.executor.run()
    assert not making.maker.is_busy
    assert set(making.log_dir.partitions()) == making.named == set(KEYS)
    making.files.crash()
    again = LogDir.open(making.files, ROOT, Identity("c", 0, UUID(int=1)))
    assert set(again.partitions()) == set(KEYS)
    for key in KEYS:
        again.open_partition(key, LogConfig(), now_ms=NOW_MS)


def test_few_are_there_at_once() -> None:
    making = Making()
    making.maker.want(NEW[:MADE_AT_ONCE_MAX])
    making.maker.step()
    assert set(making.log_dir.partitions()) == set(KEYS[:MADE_AT_ONCE_MAX])


def test_what_is_deleted_while_it_is_made_is_gone_at_the_end() -> None:
    making = Making()
    making.maker.want(NEW)
    making.maker.step()
    making.maker.doom(KEYS[:3])
    making.maker.step()
    making.executor.run()
    assert set(making.log_dir.partitions()) == making.named == set(KEYS[3:])
    assert making.maker.has_deleted
    names = making.files.list_names(ROOT)
    assert not any(key.directory_name in names for key in KEYS[:3])


def test_what_is_used_while_it_is_made_keeps_what_was_written() -> None:
    making = Making()
    making.maker.want(NEW)
    making.maker.step()
    making.log_dir.create_partitions(NEW[:1])
    log = making.log_dir.open_partition(KEYS[0], LogConfig(), now_ms=NOW_MS)
    append(log, client_batch())
    making.executor.run()
    assert making.log_dir.open_partition(KEYS[0], LogConfig(), now_ms=NOW_MS) is log
    assert log.log_end_offset == 1
    assert set(making.log_dir.partitions()) == set(KEYS)


def test_what_was_used_and_deleted_while_it_is_made_is_made_anew() -> None:
    making = Making()
    making.maker.want(NEW)
    making.maker.step()
    making.log_dir.create_partitions(NEW[:1])
    append(making.log_dir.open_partition(KEYS[0], LogConfig(), now_ms=NOW_MS), client_batch())
    making.maker.delete(KEYS[0])
    making.maker.want(NEW[:1])
    making.executor.run()
    making.maker.step()
    making.executor.run()
    log = making.log_dir.open_partition(KEYS[0], LogConfig(), now_ms=NOW_MS)
    assert log.log_end_offset == 0
    assert set(making.log_dir.partitions()) == making.named == set(KEYS)


def test_without_room_each_is_made_at_its_first_use() -> None:
    making = Making()
    making.files.fail("sync_file_system", errno.ENOSPC)
    making.maker.want(NEW)
    making.maker.step()
    making.executor.run()
    assert not making.log_dir.partitions()
    assert not making.maker.is_busy
    making.log_dir.create_partitions(NEW[:1])
    assert making.log_dir.partitions() == KEYS[:1]


@pytest.mark.parametrize("operation", ["sync_file_system", "append", "sync"])
def test_a_disk_that_fails_ends_the_broker(operation: str) -> None:
    making = Making()
    making.maker.want(NEW)
    making.maker.step()
    making.files.fail(operation, errno.EIO)
    if operation == "append":
        with pytest.raises(LogFailure):
            making.executor.run()
    else:
        making.executor.run()
    assert [type(each) for each in making.failures] == [LogFailure]
    assert not making.log_dir.partitions()
