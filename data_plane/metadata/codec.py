"""Metadata records as entries of the quorum's log: frame version, type, version, then the body.

The three numbers are unsigned varints; types are Kafka's (KIP-631), bodies schema.py data records.
"""

from collections.abc import Iterable
from typing import Any, Final

from data_plane.metadata.records import (
    RECORD_VERSIONS,
    AccessControlEntryRecord,
    BrokerRegistrationChangeRecord,
    ClientQuotaRecord,
    ConfigRecord,
    FeatureLevelRecord,
    MetadataRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    RemoveAccessControlEntryRecord,
    RemoveTopicRecord,
    RemoveUserScramCredentialRecord,
    TopicRecord,
    UnregisterBrokerRecord,
    UserScramCredentialRecord,
)
from data_plane.protocol.primitives import read_uvarint, uvarint
from data_plane.protocol.schema import DecodeError, decoder, encoder, info_of

FRAME_VERSION: Final = 1
OTTLA_VERSION: Final = "ottla.version"  # Kept here because it says how records are written.

RECORD_TYPES: dict[int, type[Any]] = {
    0: RegisterBrokerRecord,
    1: UnregisterBrokerRecord,
    2: TopicRecord,
    3: PartitionRecord,
    4: ConfigRecord,
    9: RemoveTopicRecord,
    11: UserScramCredentialRecord,
    12: FeatureLevelRecord,
    14: ClientQuotaRecord,
    15: ProducerIdsRecord,
    17: BrokerRegistrationChangeRecord,
    18: AccessControlEntryRecord,
    19: RemoveAccessControlEntryRecord,
    22: RemoveUserScramCredentialRecord,
}
_NEWEST: Final = RECORD_VERSIONS[-1]
_HEADS: dict[tuple[type[Any], int], bytes] = {
    (cls, version): uvarint(FRAME_VERSION) + uvarint(number) + uvarint(version)
    for number, cls in RECORD_TYPES.items()
    for version in info_of(cls).versions
}


def encode_record(record: MetadataRecord, version: int = _NEWEST) -> bytes:
    """Return the entry for one record. Raises KeyError for a record that a version does not have.

    What a version has no field for is left out.
    """
    cls: type[Any] = type(record)
    return _HEADS[cls, version] + encoder(cls, version)(record)


def encode_batch(records: Iterable[MetadataRecord], level: int) -> list[bytes]:
    """Return the entries of records that are replayed where `ottla.version` is at `level`.

    A level that is finalized among them counts from there on.
    """
    entries = []
    for record in records:
        entries.append(encode_record(record, min(level, _NEWEST)))
        if isinstance(record, FeatureLevelRecord) and record.name == OTTLA_VERSION:
            level = record.level
    return entries


def decode_record(entry: bytes) -> MetadataRecord:
    """Return the record of one entry. Raises DecodeError for anything this broker cannot know."""
    try:
        frame_version, at = read_uvarint(entry, 0)
        number, at = read_uvarint(entry, at)
        version, at = read_uvarint(entry, at)
    except IndexError:
        raise DecodeError("a metadata record ends in its head") from None
    cls = RECORD_TYPES.get(number)
    if frame_version != FRAME_VERSION or cls is None or version not in info_of(cls).versions:
        raise DecodeError(f"metadata record type {number} v{version} is not known here")
    record, at = decoder(cls, version)(entry, at)
    if at != len(entry):
        raise DecodeError(f"{len(entry) - at} bytes behind a {cls.__name__}")
    decoded: MetadataRecord = record
    return decoded
