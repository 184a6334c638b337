"""A broker dies at any change of its disk, in its first start too; the next one has what was told.

The process alone dies, or the power fails; then the start that follows dies at some change as well.
"""

import random
from contextlib import suppress

import pytest

from data_plane.broker.watermark_cycle import INTERVAL_MS
from data_plane.log.log_config import LogConfig
from data_plane.log.manifest import PartitionKey
from data_plane.log.memory_files import MemoryFiles, PowerCut
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from data_plane.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestTopic,
)
from tests.factories.record_batches import read_all
from tests.unit.data_plane.broker.world import World, batch_of, produced

PRODUCER_ID = 4_000
KEPT, GONE = "kept", "gone"
PARTS = 8
EVERY = 8  # change, as each takes a while; 1 for all of them


class Story:
    """What one broker is asked, and what it has told to be done."""

    def __init__(self, files: MemoryFiles) -> None:
        self.files = files
        self.records: list[bytes] = []
        self.topics: set[str] = set()
        self.deleted: set[str] = set()
        self.committed = -1

    def play(self) -> None:
        world = World(files=self.files, offsets_topic_num_partitions="2")
        world.settle()
        self.create(world, KEPT, segment_bytes="400")
        self.create(world, GONE)
        self.produce(world, 5)
        self.commit(world, 3)
        world.sleep(INTERVAL_MS)
        self.delete(world, GONE)
        world.alter_topic(KEPT, retention_ms="86400000")
        self.produce(world, 3)
        world.broker.close()
        world = World(files=self.files, offsets_topic_num_partitions="2")
        world.settle()
        self.produce(world, 3)
        world.sleep(INTERVAL_MS)
        self.commit(world, 7)

    def create(self, world: World, name: str, **configs: str) -> None:
        world.create_topic(name, 2, **configs)
        self.topics.add(name)

    def produce(self, world: World, count: int) -> None:
        for _ in range(count):
            sequence = len(self.records)
            value = b"value %d " % sequence + b"." * 100
            batch = batch_of(
                value, producer_id=PRODUCER_ID, producer_epoch=0, base_sequence=sequence
            )
            row = produced(world.produce(KEPT, batch))
            assert (row.error_code, row.base_offset) == (ErrorCode.NONE, sequence), row
            self.records.append(value)

    def commit(self, world: World, offset: int) -> None:
        world.ask(FindCoordinatorRequest(key="group"), 3)
        world.settle()
        topic = OffsetCommitRequestTopic(
            name=KEPT, partitions=[OffsetCommitRequestPartition(0, offset)]
        )
        (row,) = world.ask(OffsetCommitRequest("group", topics=[topic]), 7).response().topics
        assert row.partitions[0].error_code == ErrorCode.NONE, row
        self.committed = offset

    def delete(self, world: World, name: str) -> None:
        self.deleted.add(name)  # From here on nobody knows, then it is.
        (row,) = world.ask(DeleteTopicsRequest(topic_names=[name]), 5).response().responses
        assert row.error_code == ErrorCode.NONE, row
        world.settle()


def changes_of_a_whole_story() -> int:
    files = MemoryFiles()
    Story(files).play()
    return files.changes


CHANGES = changes_of_a_whole_story()


def ended_at(change: int, *, has_power: bool) -> Story:
    """Play a story up to that change, then one more start up to another."""
    files, rng = MemoryFiles(), random.Random(change)
    story = Story(files)
    files.changes_max = change
    with suppress(PowerCut):
        story.play()
    for cut in (True, False):
        if has_power:
            files.kill()
        else:
            files.crash(rng)
        if cut:
            files.changes_max = files.changes + rng.randrange(25)
            with suppress(PowerCut):
                World(files=files, offsets_topic_num_partitions="2").settle()
    return story


@pytest.mark.parametrize("has_power", [True, False])
@pytest.mark.parametrize("part", range(PARTS))
def test_what_was_told_is_there_and_nothing_is_lost(part: int, has_power: bool) -> None:
    for change in range(part, CHANGES, PARTS * EVERY):
        story = ended_at(change, has_power=has_power)
        world = World(files=story.files, offsets_topic_num_partitions="2")
        world.settle()
        told = f"at change {change} of {CHANGES}"
        assert not world.failures, told
        assert not world.broker.log_dir.quarantined, (told, world.broker.log_dir.quarantined)
        for name in story.topics - story.deleted:
            assert world.broker.image.topic(name) is not None, told
        known = {topic.topic_id for topic in world.broker.image.topics.values()}
        assert {key.topic_id for key in world.broker.log_dir.partitions()} <= known, told
        check_watermarks(world, told)
        check_records(world, story, told)
        check_commit(world, story, told)


def check_watermarks(world: World, told: str) -> None:
    """None is above what its log has kept."""
    log_dir = world.broker.log_dir
    for key, watermark in log_dir.watermarks.stored.items():
        log = log_dir.open_partition(key, LogConfig(), now_ms=world.now_ms)
        assert watermark <= log.log_end_offset, (told, key)


def check_records(world: World, story: Story, told: str) -> None:
    """Everything that was acknowledged, in order, and the producer may go on."""
    if KEPT not in story.topics:
        return
    world.fetch(KEPT, 0, max_wait_ms=0)  # A log is opened when it is asked for.
    log = world.broker.log_dir.open_logs()[PartitionKey(world.topic_id(KEPT), 0)]
    content = b"".join(read_all(log))
    at = [content.find(value) for value in story.records]
    assert -1 not in at, told
    assert at == sorted(at), told
    sequence = log.log_end_offset
    batch = batch_of(b"next", producer_id=PRODUCER_ID, producer_epoch=0, base_sequence=sequence)
    row = produced(world.produce(KEPT, batch))
    assert (row.error_code, row.base_offset) == (ErrorCode.NONE, sequence), (told, row)


def check_commit(world: World, story: Story, told: str) -> None:
    if story.committed < 0:
        return
    topic = OffsetFetchRequestTopic(KEPT, [0])
    answer = world.ask(OffsetFetchRequest("group", [topic]), 5).response()
    assert answer.topics[0].partitions[0].committed_offset >= story.committed, told
