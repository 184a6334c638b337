"""Metadata records as entries of the quorum's log: frame version, type, version, then the body.

The three numbers are unsigned varints; types are Kafka's (KIP-631), bodies schema.py data records.
"""

from typing import Any, Final

from data_plane.metadata.records import (
    RECORD_VERSIONS,
    AccessControlEntryRecord,
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
    UserScramCredentialRecord,
)
from data_plane.protocol.primitives import read_uvarint, uvarint
from data_plane.protocol.schema import DecodeError, decoder, encoder

FRAME_VERSION: Final = 1

RECORD_TYPES: dict[int, type[Any]] = {
    0: RegisterBrokerRecord,
    2: TopicRecord,
    3: PartitionRecord,
    4: ConfigRecord,
    9: RemoveTopicRecord,
    11: UserScramCredentialRecord,
    12: FeatureLevelRecord,
    14: ClientQuotaRecord,
    15: ProducerIdsRecord,
    18: AccessControlEntryRecord,
    19: RemoveAccessControlEntryRecord,
    22: RemoveUserScramCredentialRecord,
}
_NEWEST: Final = RECORD_VERSIONS[-1]
_HEADS: dict[type[Any], bytes] = {
    cls: uvarint(FRAME_VERSION) + uvarint(number) + uvarint(_NEWEST)
    for number, cls in RECORD_TYPES.items()
}


def encode_record(record: MetadataRecord) -> bytes:
    """Return the entry for one record, at the newest version this broker writes."""
    cls: type[Any] = type(record)
    return _HEADS[cls] + encoder(cls, _NEWEST)(record)


def decode_record(entry: bytes) -> MetadataRecord:
    """Return the record of one entry. Raises DecodeError for anything this broker cannot know."""
    try:
        frame_version, at = read_uvarint(entry, 0)
        number, at = read_uvarint(entry, at)
        version, at = read_uvarint(entry, at)
    except IndexError:
        raise DecodeError("a metadata record ends in its head") from None
    cls = RECORD_TYPES.get(number)
    if frame_version != FRAME_VERSION or cls is None or version not in RECORD_VERSIONS:
        raise DecodeError(f"metadata record type {number} v{version} is not known here")
    record, at = decoder(cls, version)(entry, at)
    if at != len(entry):
        raise DecodeError(f"{len(entry) - at} bytes behind a {cls.__name__}")
    decoded: MetadataRecord = record
    return decoded
