"""The controller on a real log: replay gives the same image, uncommitted things stay invisible."""

import errno
import random
from pathlib import PurePath

import pytest

from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.codec import decode_record, encode_record
from data_plane.metadata.controller import Controller
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import (
    AccessControlEntryRecord,
    BrokerListener,
    ConfigRecord,
    FeatureLevelRecord,
    MetadataRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    RemoveAccessControlEntryRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from data_plane.protocol.errors import NotController
from data_plane.protocol.schema import DecodeError
from data_plane.raft.durable import LOG_NAME

DIRECTORY = PurePath("/data/metadata")


def opened(files: MemoryFiles, seed: int = 0) -> Controller:
    return Controller.open(files, DIRECTORY, voter_id=1, rng=random.Random(seed))


def some_records(rng: random.Random, controller: Controller) -> list[MetadataRecord]:
    """One decision's records, legal after what `controller` holds."""
    image = controller.image
    topic_id = controller.new_id()
    name = f"t{rng.randrange(8)}"
    topic = image.topic(name)
    kind = rng.randrange(7)
    if kind == 0 and topic is None:
        parts = [
            PartitionRecord(topic_id, index, (1, 2), (1,), 1, 0, 0)
            for index in range(rng.randrange(1, 4))
        ]
        return [TopicRecord(name, topic_id), *parts, ConfigRecord(2, name, "retention.ms", "1")]
    if kind == 1 and topic is not None:
        return [RemoveTopicRecord(topic.topic_id)]
    if kind == 2 and topic is not None:
        return [PartitionRecord(topic.topic_id, 0, (1,), (1,), 1, rng.randrange(9), 1)]
    if kind == 3:
        value = rng.choice([None, "5", "6"])
        return [ConfigRecord(rng.choice([2, 4]), name, "flush.ms", value)]
    if kind == 4:
        acl = AccessControlEntryRecord(topic_id, 2, name, 3, "User:a", "*", 3, 3)
        known = rng.choice([None, *image.acls])
        return [acl, *([RemoveAccessControlEntryRecord(known)] if known else [])]
    if kind == 5:
        epoch = controller.next_offset
        where = (BrokerListener("TLS", "example.test", rng.randrange(9)),)
        broker = RegisterBrokerRecord(rng.randrange(3), topic_id, epoch, topic_id, "n", "r", where)
        return [broker, FeatureLevelRecord("group.version", rng.randrange(3))]
    return [ProducerIdsRecord(1, 0, image.next_producer_id + 1000)]


def parts_of(image: MetadataImage) -> tuple[object, ...]:
    """Everything but offset and term, which a restart moves by its opening entry."""
    return (
        dict(image.topics),
        dict(image.topic_names),
        dict(image.brokers),
        {key: dict(own) for key, own in image.configs.items()},
        dict(image.acls),
        dict(image.features),
        image.next_producer_id,
    )


@pytest.mark.parametrize("seed", range(30))
def test_replay_gives_the_image_that_was_decided_on(seed: int) -> None:
    """Random decisions in random groups; after a power loss the log alone gives the same image."""
    rng = random.Random(seed)
    files = MemoryFiles()
    controller = opened(files, seed)
    for _ in range(60):
        controller.append(some_records(rng, controller))
        if rng.random() < 0.4:
            controller.drive()
    controller.drive()
    assert parts_of(controller.image) == parts_of(controller.committed)
    files.crash()
    assert parts_of(opened(files).committed) == parts_of(controller.committed)


@pytest.mark.parametrize("seed", range(30))
def test_a_torn_log_keeps_whole_decisions_only(seed: int) -> None:
    """Power fails during a write: the image found is the one before it or the one after it."""
    rng = random.Random(seed)
    files = MemoryFiles()
    controller = opened(files, seed)
    for _ in range(20):
        controller.append(some_records(rng, controller))
        controller.drive()
    before = parts_of(controller.committed)
    controller.append(some_records(rng, controller))
    after = parts_of(controller.image)
    ready = controller.ready()
    assert ready is not None
    files.fail("sync", errno.EIO, LOG_NAME)
    with pytest.raises(Exception, match="persist"):
        controller.disk.persist(ready)
    files.crash(rng)
    assert parts_of(opened(files).committed) in (before, after)


def test_an_appended_change_is_seen_by_decisions_but_not_by_brokers() -> None:
    controller = opened(MemoryFiles())
    offset = controller.append([TopicRecord("flights", controller.new_id())])
    assert controller.image.topic("flights")
    assert controller.committed.topic("flights") is None
    assert controller.committed.offset < offset
    assert controller.drive()
    assert controller.committed.topic("flights")
    assert controller.committed.offset == offset


def test_a_decision_without_records_waits_for_what_it_was_derived_from() -> None:
    controller = opened(MemoryFiles())
    offset = controller.append([TopicRecord("flights", controller.new_id())])
    assert controller.append([]) == offset


def test_a_full_disk_takes_back_the_change_and_the_controller_comes_back() -> None:
    files = MemoryFiles()
    controller = opened(files)
    controller.append([TopicRecord("kept", controller.new_id())])
    controller.drive()
    controller.append([TopicRecord("lost", controller.new_id())])
    files.fail("append", errno.ENOSPC, LOG_NAME)
    with pytest.raises(NotController):
        controller.drive()
    assert controller.image.topic("lost") is None
    with pytest.raises(NotController):
        controller.append([TopicRecord("refused", controller.new_id())])
    controller.resume()
    controller.drive()
    controller.append([TopicRecord("later", controller.new_id())])
    controller.drive()
    assert sorted(opened(files).committed.topics) == ["kept", "later"]


def test_ids_are_drawn_from_the_injected_randomness() -> None:
    assert opened(MemoryFiles(), 7).new_id() == opened(MemoryFiles(), 7).new_id()
    assert opened(MemoryFiles(), 7).new_id().version == 4


@pytest.mark.parametrize("seed", range(5))
def test_damaged_entries_raise_decode_error_only(seed: int) -> None:
    rng = random.Random(seed)
    controller = opened(MemoryFiles())
    for _ in range(200):
        for record in some_records(rng, controller):
            entry = encode_record(record)
            assert decode_record(entry) == record
            cut = entry[: rng.randrange(len(entry))]
            with pytest.raises(DecodeError):
                decode_record(cut)
            with pytest.raises(DecodeError):
                decode_record(entry + b"\0")


@pytest.mark.parametrize("head", [b"", b"\x02\x02\x00", b"\x01\x63\x00", b"\x01\x02\x63"])
def test_an_entry_of_another_time_is_refused(head: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_record(head + bytes(40))
