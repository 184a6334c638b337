"""A snapshot holds the whole image: every field, with every kind of record in it."""

import dataclasses
from uuid import UUID

from data_plane.metadata.decision import Decision
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.records import (
    AccessControlEntryRecord,
    ClientQuotaRecord,
    ConfigRecord,
    FeatureLevelRecord,
    ProducerIdsRecord,
    QuotaEntityPart,
    RemoveTopicRecord,
    UnregisterBrokerRecord,
    UserScramCredentialRecord,
)
from data_plane.metadata.snapshots import image_of, snapshot_of
from data_plane.raft.snapshot import decode_snapshot, encode_snapshot
from tests.unit.data_plane.metadata.worlds import after, broker, cluster, topic, with_topics


def full_image() -> MetadataImage:
    image = with_topics(
        cluster(broker(1), broker(2, is_fenced=True), broker(3)),
        topic("flights", 3, 2, retention_ms="1000", cleanup_policy="compact"),
        topic("gone", 1, 1, retention_ms="5"),
        topic("trains", 1, 1),
    )
    return after(
        image,
        Decision(
            None,
            [
                RemoveTopicRecord(image.topics["gone"].topic_id),
                ConfigRecord(4, "", "log.retention.ms", "77"),
                ConfigRecord(4, "1", "log.retention.ms", "78"),
                AccessControlEntryRecord(UUID(int=7), 2, "flights", 3, "User:a", "*", 3, 3),
                UserScramCredentialRecord("alice", 1, b"salt", b"stored", b"server", 4096),
                ClientQuotaRecord([QuotaEntityPart("user", None)], "producer_byte_rate", 5.0),
                ClientQuotaRecord(
                    [QuotaEntityPart("client-id", "app"), QuotaEntityPart("user", "alice")],
                    "consumer_byte_rate",
                    6.0,
                ),
                FeatureLevelRecord("transaction.version", 2),
                FeatureLevelRecord("ottla.version", 1),
                UnregisterBrokerRecord(3),
                ProducerIdsRecord(1, 5, 9_000),
            ],
        ),
    )


def test_the_image_comes_back_whole() -> None:
    image = full_image()
    again = image_of(decode_snapshot(encode_snapshot(snapshot_of(image))))
    assert again == image
    assert list(again.topics) == list(image.topics)


def test_no_field_of_the_image_is_left_out() -> None:
    """A field added later is empty here until somebody puts it into the image and the snapshot."""
    image = full_image()
    empty = MetadataImage()
    same = [
        field.name
        for field in dataclasses.fields(image)
        if getattr(image, field.name) == getattr(empty, field.name)
    ]
    assert same == []


def test_an_empty_image_comes_back_empty() -> None:
    assert image_of(snapshot_of(MetadataImage())) == MetadataImage()
