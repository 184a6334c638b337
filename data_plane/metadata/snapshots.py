"""A metadata image as records and back: what the log's beginning is replaced by."""

from collections.abc import Iterator

from data_plane.metadata.codec import OTTLA_VERSION, decode_record, encode_batch
from data_plane.metadata.image import ImageDelta, MetadataImage
from data_plane.metadata.records import (
    ClientQuotaRecord,
    ConfigRecord,
    FeatureLevelRecord,
    MetadataRecord,
    ProducerIdsRecord,
    QuotaEntityPart,
    TopicRecord,
    UnregisterBrokerRecord,
)
from data_plane.raft.entries import is_control
from data_plane.raft.snapshot import Snapshot

NOBODY = -1  # A snapshot does not know who drew the last block of producer ids.


def snapshot_of(image: MetadataImage) -> Snapshot:
    entries = tuple(encode_batch(records_of(image), image.features.get(OTTLA_VERSION, 0)))
    return Snapshot(image.offset, image.term, entries)


def image_of(snapshot: Snapshot) -> MetadataImage:
    """Raises DecodeError or ForeignRecord for what this broker never wrote."""
    delta = ImageDelta(MetadataImage())
    for entry in snapshot.entries:
        if is_control(entry):
            continue
        delta.replay(decode_record(entry))
    return delta.publish(offset=snapshot.last_offset, term=snapshot.term)


def records_of(image: MetadataImage) -> Iterator[MetadataRecord]:
    """Records that, replayed on nothing, give an equal image."""
    for feature, level in image.features.items():
        yield FeatureLevelRecord(feature, level)
    yield from (UnregisterBrokerRecord(broker_id) for broker_id in sorted(image.retired_brokers))
    yield from image.brokers.values()
    for topic in image.topics.values():
        yield TopicRecord(topic.name, topic.topic_id)
        yield from topic.partitions
    for (kind, resource), overrides in image.configs.items():
        for name, value in overrides.items():
            yield ConfigRecord(kind, resource, name, value)
    yield from image.acls.values()
    yield from image.scram_credentials.values()
    for entity, quotas in image.client_quotas.items():
        parts = [QuotaEntityPart(kind, name) for kind, name in entity]
        for key, limit in quotas.items():
            yield ClientQuotaRecord(parts, key, limit)
    if image.next_producer_id:
        yield ProducerIdsRecord(NOBODY, NOBODY, image.next_producer_id)
