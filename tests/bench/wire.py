"""Requests made once and sent many times."""

from typing import Any

from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.framing import frame
from data_plane.protocol.headers import RequestHeader, encode_request_header, read_response_header
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
)
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.messages.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from data_plane.protocol.messages.metadata import MetadataRequest
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.records.record import Record, encode_batch
from data_plane.protocol.schema import decode, encode
from tests.bench.replay import Connection

TIMESTAMP_MS = 1_700_000_000_000
PRODUCE, FETCH, LIST_OFFSETS, METADATA, CREATE_TOPICS, DELETE_TOPICS = 0, 1, 2, 3, 19, 20
PRODUCE_VERSION, FETCH_VERSION, METADATA_VERSION = 9, 12, 12
LATEST = -1
REPLICATED, SYNCED = "replicated", "safe"  # values of ack.durability


def request_frame(key: int, version: int, message: object) -> bytes:
    header = RequestHeader(key, version, 7, "bench")
    return frame(encode_request_header(header), encode(message, version))


def ask(connection: Connection, key: int, version: int, message: object) -> Any:
    """One request, and its answer decoded."""
    connection.send(request_frame(key, version, message))
    body = connection.receive()
    _, at = read_response_header(key, version, body)
    return decode(API_KEYS[key].response, version, body[at:])


def create_topic(
    connection: Connection,
    name: str,
    *,
    partitions: int = 1,
    replicas: int = 1,
    mode: str | None = SYNCED,
) -> None:
    """mode: of our brokers; None for one that knows no such thing."""
    configs = [
        *([] if mode is None else [CreateTopicsRequestConfig("ack.durability", mode)]),
        CreateTopicsRequestConfig("max.message.bytes", str(16 << 20)),
        # The records carry TIMESTAMP_MS: a long run would see them deleted by their age.
        CreateTopicsRequestConfig("retention.ms", "-1"),
    ]
    topic = CreateTopicsRequestTopic(name, partitions, replicas, configs=configs)
    request = CreateTopicsRequest(topics=[topic], timeout_ms=60_000)
    (result,) = ask(connection, CREATE_TOPICS, 5, request).topics
    assert result.error_code == 0, result


def delete_topic(connection: Connection, name: str) -> None:
    request = DeleteTopicsRequest(topic_names=[name], timeout_ms=60_000)
    (result,) = ask(connection, DELETE_TOPICS, 5, request).responses
    assert result.error_code == 0, result


def batch(records: int, value_bytes: int) -> bytes:
    value = bytes(range(256)) * (value_bytes // 256 + 1)
    made = [Record(at, 0, None, value[:value_bytes]) for at in range(records)]
    return encode_batch(made, base_timestamp_ms=TIMESTAMP_MS)


def batch_of_size(size_bytes: int) -> bytes:
    """One batch of about a kilobyte per record, `size_bytes` within a few bytes."""
    records = max(1, round(size_bytes / 1024))
    return batch(records, size_bytes // records - 12)


def produce_frame(topic: str, data: bytes, *, partitions: int = 1, acks: int = -1) -> bytes:
    rows = [ProduceRequestPartition(index, data) for index in range(partitions)]
    topics = [ProduceRequestTopic(topic, partition_data=rows)]
    return request_frame(PRODUCE, PRODUCE_VERSION, ProduceRequest(None, acks, 60_000, topics))


def fetch_frame(topic: str, *, bytes_max: int, offset: int = 0) -> bytes:
    row = FetchRequestPartition(0, fetch_offset=offset, partition_max_bytes=bytes_max)
    topics = [FetchRequestTopic(topic, partitions=[row])]
    request = FetchRequest(max_wait_ms=0, min_bytes=1, max_bytes=bytes_max, topics=topics)
    return request_frame(FETCH, FETCH_VERSION, request)


def metadata_frame(topics: list[Any] | None = None) -> bytes:
    return request_frame(METADATA, METADATA_VERSION, MetadataRequest(topics=topics))


def end_offset(connection: Connection, topic: str) -> int:
    row = ListOffsetsRequestPartition(0, timestamp=LATEST)
    request = ListOffsetsRequest(topics=[ListOffsetsRequestTopic(topic, [row])])
    answer = ask(connection, LIST_OFFSETS, 5, request)
    offset: int = answer.topics[0].partitions[0].offset
    return offset
