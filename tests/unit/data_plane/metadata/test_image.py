"""Images share what a batch did not touch, and one batch may undo itself."""

from uuid import UUID

import pytest

from data_plane.metadata.image import ForeignRecord, ImageDelta, MetadataImage
from data_plane.metadata.records import (
    ConfigRecord,
    MetadataRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)

A, B = UUID(int=1), UUID(int=2)


def after(image: MetadataImage, *records: MetadataRecord) -> MetadataImage:
    delta = ImageDelta(image)
    delta.replay_all(records)
    return delta.publish(offset=image.offset + len(records), term=1)


def partition(topic_id: UUID, index: int = 0, leader_epoch: int = 0) -> PartitionRecord:
    return PartitionRecord(topic_id, index, (1,), (1,), 1, leader_epoch, 0)


def test_untouched_parts_are_shared() -> None:
    first = after(
        MetadataImage(), TopicRecord("a", A), partition(A), ConfigRecord(2, "a", "x", "1")
    )
    second = after(first, TopicRecord("b", B), partition(B))
    assert second.topics["a"] is first.topics["a"]
    assert second.configs is first.configs
    assert second.acls is first.acls
    assert "b" not in first.topics


def test_a_partition_change_keeps_its_neighbours() -> None:
    first = after(MetadataImage(), TopicRecord("a", A), partition(A, 0), partition(A, 1))
    second = after(first, partition(A, 1, leader_epoch=4))
    assert second.topics["a"].partitions[0] is first.topics["a"].partitions[0]
    assert second.topics["a"].partitions[1].leader_epoch == 4


def test_a_removed_topic_takes_its_configs_along_and_may_come_back_under_another_id() -> None:
    first = after(
        MetadataImage(), TopicRecord("a", A), partition(A), ConfigRecord(2, "a", "x", "1")
    )
    removed = after(first, RemoveTopicRecord(A))
    assert removed.topic("a") is None
    assert removed.topic_by_id(A) is None
    assert not removed.topic_configs("a")
    both = after(first, RemoveTopicRecord(A), TopicRecord("a", B), partition(B))
    assert both.topics["a"].topic_id == B
    assert both.topic_by_id(A) is None
    assert not both.topic_configs("a")


def test_a_topic_born_and_gone_in_one_batch_leaves_nothing() -> None:
    image = after(MetadataImage(), TopicRecord("a", A), partition(A), RemoveTopicRecord(A))
    assert not image.topics
    assert not image.topic_names


@pytest.mark.parametrize("record", [partition(A), RemoveTopicRecord(A)])
def test_a_record_of_an_unknown_topic_is_foreign(record: MetadataRecord) -> None:
    with pytest.raises(ForeignRecord):
        after(MetadataImage(), record)


def test_the_last_override_taken_back_leaves_no_entry() -> None:
    first = after(MetadataImage(), ConfigRecord(4, "", "flush.ms", "5"))
    assert first.broker_configs(None) == {"flush.ms": "5"}
    assert not after(first, ConfigRecord(4, "", "flush.ms", None)).configs
