"""Records of `__transaction_state`, in Kafka's own formats, because other tools read that topic.

A key starts with an int16 that names the kind: 0 a transactional id. A value starts with the int16
version of its layout; a null value forgets the id. We write the oldest layout that holds what there
is to say, and read all that Kafka ever wrote. Source: Kafka's TransactionLogKey and
TransactionLogValue, KIP-98, KIP-890.
"""

import struct
from dataclasses import dataclass

from data_plane.coordinator import transactions_topic as wire
from data_plane.coordinator.transaction import NO_PRODUCER_ID, Transaction, TransactionState
from data_plane.protocol.schema import DecodeError, decode, encode

INT16 = struct.Struct(">h")
ID_KEY = 0
VALUE_VERSION_MAX = 1


@dataclass(frozen=True, slots=True)
class TransactionRemoved:
    """The transactional id is forgotten."""

    transactional_id: str


TransactionRecord = Transaction | TransactionRemoved


def encode_record(record: TransactionRecord) -> tuple[bytes, bytes | None]:
    """Key and value to append; value None is a tombstone."""
    log_key = wire.TransactionLogKey(transactional_id=record.transactional_id)
    key = INT16.pack(ID_KEY) + encode(log_key, ID_KEY)
    if isinstance(record, TransactionRemoved):
        return key, None
    has_tags = record.version or {record.last_producer_id, record.next_producer_id} != {
        NO_PRODUCER_ID
    }
    version = 1 if has_tags else 0
    return key, INT16.pack(version) + encode(_value(record), version)


def decode_record(key: bytes, value: bytes | None) -> TransactionRecord | None:
    """The record of a key and value; None for kinds we do not know. Raises DecodeError."""
    if _version(key) != ID_KEY:
        return None
    transactional_id = decode(wire.TransactionLogKey, ID_KEY, key, 2).transactional_id
    if value is None:
        return TransactionRemoved(transactional_id)
    return _transaction(
        transactional_id,
        decode(wire.TransactionLogValue, _version(value, VALUE_VERSION_MAX), value, 2),
    )


def _version(data: bytes, version_max: int = 1 << 15) -> int:
    if len(data) < 2:
        raise DecodeError("a transaction record is shorter than its version")
    version: int = INT16.unpack_from(data)[0]
    if not 0 <= version <= version_max:
        raise DecodeError(f"a transaction record has version {version}, newer than this broker")
    return version


def _value(record: Transaction) -> wire.TransactionLogValue:
    by_topic: dict[str, list[int]] = {}
    for topic, index in sorted(record.partitions):
        by_topic.setdefault(topic, []).append(index)
    return wire.TransactionLogValue(
        producer_id=record.producer_id,
        producer_epoch=record.producer_epoch,
        transaction_timeout_ms=record.timeout_ms,
        transaction_status=record.state,
        # Kafka: null and not empty in the one state that never has partitions.
        transaction_partitions=None
        if record.state is TransactionState.EMPTY
        else [wire.TransactionLogValuePartitions(*row) for row in by_topic.items()],
        transaction_last_update_timestamp_ms=record.update_ms,
        transaction_start_timestamp_ms=record.start_ms,
        previous_producer_id=record.last_producer_id,
        next_producer_id=record.next_producer_id,
        client_transaction_version=record.version,
    )


def _transaction(transactional_id: str, value: wire.TransactionLogValue) -> Transaction:
    try:
        state = TransactionState(value.transaction_status)
    except ValueError as error:
        raise DecodeError(str(error)) from None
    return Transaction(
        transactional_id=transactional_id,
        producer_id=value.producer_id,
        producer_epoch=value.producer_epoch,
        timeout_ms=value.transaction_timeout_ms,
        state=state,
        partitions=frozenset(
            (row.topic, index)
            for row in value.transaction_partitions or ()
            for index in row.partition_ids
        ),
        start_ms=value.transaction_start_timestamp_ms,
        update_ms=value.transaction_last_update_timestamp_ms,
        last_producer_id=value.previous_producer_id,
        next_producer_id=value.next_producer_id,
        version=value.client_transaction_version,
    )
