"""What a batch must be before it may enter a log; every refusal carries Kafka's error code.

Ordinary batches are judged by their 61-byte header and checksum alone; records are decoded only
where a rule speaks about records (compacted topics, message.timestamp.before.max.ms).
Source: Kafka's LogValidator and ProduceRequest, KIP-32, KIP-98, KIP-467, KIP-937.
"""

from collections.abc import Iterator, Sequence

import crc32c

from data_plane.log.log_config import NEVER_MS, LogConfig
from data_plane.protocol.errors import (
    CorruptBatch,
    InvalidProducerEpoch,
    InvalidRecord,
    InvalidTimestamp,
    MessageTooLarge,
    UnsupportedCompression,
)
from data_plane.protocol.records.batch import (
    ATTRIBUTES_AT,
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    LOG_OVERHEAD_BYTES,
    MAGIC,
    NO_PRODUCER_ID,
    BatchHeader,
    check_crc,
    header_from_fields,
)
from data_plane.protocol.records.record import Record, iter_records

NO_TIMESTAMP = -1
REFUSED_MAX = 10_000  # Only records up to this index are named: an answer has its limits.
CODECS_MAX = 4  # none, gzip, snappy, lz4, zstd


class RefusedRecords(InvalidRecord):
    """Some records of a batch are not acceptable; Produce v8+ names each (KIP-467)."""

    def __init__(self, message: str, record_indexes: Sequence[int]) -> None:
        super().__init__(message)
        self.record_indexes = tuple(record_indexes)


class RefusedTimestamps(InvalidTimestamp):
    """As RefusedRecords, for records out of the topic's bounds of time."""

    def __init__(self, message: str, record_indexes: Sequence[int]) -> None:
        super().__init__(message)
        self.record_indexes = tuple(record_indexes)


def check_whole_client_batch(
    view: memoryview, config: LogConfig, now_ms: int, ahead_ms: int = 0
) -> BatchHeader:
    """Return the header of the one batch in `view`, if a client may append it; else raise.

    ahead_ms: by how much a record may be stamped later, the wall clock being so far ahead.

    The batch that nothing is wrong with is judged in one step; any other goes through the rules
    one by one, which say what is wrong.
    """
    size_bytes = len(view)
    if size_bytes >= BATCH_HEADER_BYTES and config.takes_any_records:
        fields = BATCH_HEADER.unpack_from(view)
        _, length, _, magic, crc, attributes, delta, _, latest_ms, producer, epoch, first, count = (
            fields
        )
        if (
            length + LOG_OVERHEAD_BYTES == size_bytes <= config.message_bytes_max
            and magic == MAGIC
            and 0 <= attributes <= CODECS_MAX
            and 0 <= delta == count - 1
            and (producer == NO_PRODUCER_ID or (producer >= 0 and first >= 0 and epoch >= 0))
            and (config.is_log_append_time or latest_ms <= now_ms + config.timestamp_after_max_ms)
            and crc32c.crc32c(view[ATTRIBUTES_AT:]) == crc
        ):
            return header_from_fields(fields)
    header = header_of_client_batch(view)
    check_client_batch(view, header, config, now_ms, ahead_ms)
    return header


def header_of_client_batch(view: memoryview) -> BatchHeader:
    """Return the header of the one v2 batch that `view` holds, its checksum verified.

    Raises InvalidRecord for none, a part of one, several, another magic; CorruptBatch for a wrong
    checksum and for a length below a header's.
    """
    if len(view) == 0:
        raise InvalidRecord("a partition's data must hold exactly one record batch")
    if len(view) > 16 and view[16] != MAGIC:
        raise InvalidRecord(f"record batches must have magic 2, not {view[16]}")
    if len(view) < BATCH_HEADER_BYTES:
        raise InvalidRecord(f"{len(view)} bytes are no whole record batch")
    header = header_from_fields(BATCH_HEADER.unpack_from(view))
    size_bytes = header.size_bytes
    if size_bytes < BATCH_HEADER_BYTES:
        raise CorruptBatch(f"a batch claims {size_bytes} bytes, fewer than its header has")
    if size_bytes > len(view):  # A client that may try again would for ever: this is for good.
        raise InvalidRecord(f"a batch claims {size_bytes} of {len(view)} bytes")
    if size_bytes < len(view):
        raise InvalidRecord("a partition's data must hold exactly one record batch")
    check_crc(view, 0, header)
    return header


def check_client_batch(
    view: memoryview, header: BatchHeader, config: LogConfig, now_ms: int, ahead_ms: int = 0
) -> None:
    """Raise a KafkaError unless a client may append this batch to a log of this config."""
    if header.size_bytes > config.message_bytes_max:
        raise MessageTooLarge(
            f"a batch of {header.size_bytes} bytes, max.message.bytes is {config.message_bytes_max}"
        )
    check_form(header)
    if header.is_control:
        raise InvalidRecord("clients may not write control batches")
    _check_producer(header)
    if not config.is_log_append_time:
        _check_timestamps(view, header, config, now_ms, ahead_ms)
    if config.is_compacted:
        _check_keys(view, header)


def check_form(header: BatchHeader) -> None:
    """Raise unless counts and codec make sense, whoever wrote the batch."""
    if header.records_count < 1 or header.last_offset_delta != header.records_count - 1:
        raise InvalidRecord(
            f"a batch of {header.records_count} records has last offset delta"
            f" {header.last_offset_delta}"
        )
    if header.compression > CODECS_MAX:
        raise UnsupportedCompression(f"compression codec {header.compression} is unknown")


def _check_producer(header: BatchHeader) -> None:
    if header.producer_id == NO_PRODUCER_ID:
        if header.is_transactional:
            raise InvalidRecord("a transactional batch must name its producer")
        return
    if header.producer_id < 0 or header.base_sequence < 0:
        raise InvalidRecord(
            f"producer {header.producer_id} sent the sequence {header.base_sequence}"
        )
    if header.producer_epoch < 0:
        raise InvalidProducerEpoch(
            f"producer {header.producer_id} sent the epoch {header.producer_epoch}"
        )


def _check_timestamps(
    view: memoryview, header: BatchHeader, config: LogConfig, now_ms: int, ahead_ms: int
) -> None:
    """Hold a CreateTime batch to the topic's bounds; only a lower bound needs the records."""
    if header.timestamp_type:
        raise InvalidTimestamp("a producer may not set the timestamp type to LogAppendTime")
    newest_ms = now_ms + ahead_ms + config.timestamp_after_max_ms
    if header.max_timestamp > newest_ms:
        raise RefusedTimestamps(
            f"timestamp {header.max_timestamp} is more than {config.timestamp_after_max_ms} ms"
            " ahead of the broker's clock",
            _outside(view, header, NO_TIMESTAMP, newest_ms),
        )
    if config.timestamp_before_max_ms == NEVER_MS:
        return
    refused = _outside(view, header, now_ms - config.timestamp_before_max_ms, newest_ms)
    if refused:
        raise RefusedTimestamps(
            f"{len(refused)} records are older than {config.timestamp_before_max_ms} ms", refused
        )


def _outside(view: memoryview, header: BatchHeader, oldest_ms: int, newest_ms: int) -> list[int]:
    """The indexes of records with a timestamp out of bounds; one without any is within them."""
    times = (header.base_timestamp + one.timestamp_delta for one in records_of(view, header))
    return [
        at
        for at, time_ms in enumerate(times)
        if time_ms > NO_TIMESTAMP and not oldest_ms <= time_ms <= newest_ms and at < REFUSED_MAX
    ]


def _check_keys(view: memoryview, header: BatchHeader) -> None:
    refused = [
        at
        for at, record in enumerate(records_of(view, header))
        if record.key is None and at < REFUSED_MAX
    ]
    if refused:
        raise RefusedRecords("a compacted topic takes no record without a key", refused)


def records_of(view: memoryview, header: BatchHeader) -> Iterator[Record]:
    """Decode and, if need be, decompress the records of the batch at the start of `view`.

    They are judged as they come: only who takes them all knows that all are well formed.

    Raises InvalidRecord for records that are not what the header says.
    """
    return iter_records(header, view[BATCH_HEADER_BYTES : header.size_bytes])
