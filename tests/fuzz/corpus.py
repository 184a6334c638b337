"""Frames to start from: every request and version, and those that reach deep into the broker."""

import random
from collections.abc import Iterator

from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.headers import RequestHeader, encode_request_header
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from data_plane.protocol.messages.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.records.record import Record, encode_batch
from data_plane.protocol.schema import encode, info_of
from tests.wire.golden_frames import read_golden

TOPICS = ("plain", "compacted", "stamped", "weak")  # the broker under test has them
NOW_MS = 1_700_000_000_000
CODECS = 5


def frames() -> list[bytes]:
    """Header and body of each golden request that is served, without the size."""
    return [
        one.data[4:]
        for one in read_golden()
        if info_of(one.case.cls).kind == "request" and one.case.version in one.case.spec.versions
    ]


def deep() -> Iterator[bytes]:
    """Requests that a broker with TOPICS answers without an error."""
    for version in API_KEYS[0].versions[3:13]:
        for topic in TOPICS:
            for batch in batches():
                rows = [ProduceRequestPartition(0, batch)]
                topics = [ProduceRequestTopic(topic, partition_data=rows)]
                yield whole(0, version, ProduceRequest(None, -1, 1_000, topics))
    for version in range(4, 13):
        for topic in TOPICS:
            row = FetchRequestPartition(0, fetch_offset=0, partition_max_bytes=1 << 20)
            topics_ = [FetchRequestTopic(topic, partitions=[row])]
            yield whole(1, version, FetchRequest(max_wait_ms=0, max_bytes=1 << 20, topics=topics_))
    for timestamp in (-1, -2, NOW_MS):
        rows_ = [ListOffsetsRequestPartition(0, timestamp=timestamp)]
        for topic in TOPICS:
            request = ListOffsetsRequest(topics=[ListOffsetsRequestTopic(topic, rows_)])
            yield whole(2, 6, request)
    yield whole(3, 12, MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in TOPICS]))
    protocols = [JoinGroupRequestProtocol("range", b"\0\0\0\0\0\0")]
    yield whole(
        11,
        5,
        JoinGroupRequest(
            "group", 10_000, 10_000, "", protocol_type="consumer", protocols=protocols
        ),
    )


def batches() -> list[bytes]:
    """Batches of every codec, and one of an idempotent producer."""
    rng = random.Random(1)
    records = [
        Record(at, at, b"key-%d" % at, rng.randbytes(20), (("h", b"v"), ("n", None)))
        for at in range(5)
    ]
    made = [
        encode_batch(records, base_timestamp_ms=NOW_MS, compression=codec)
        for codec in range(CODECS)
    ]
    return [
        *made,
        encode_batch(
            records, base_timestamp_ms=NOW_MS, producer_id=3, producer_epoch=0, base_sequence=0
        ),
    ]


def whole(key: int, version: int, message: object) -> bytes:
    header = RequestHeader(key, version, 7, "fuzz")
    return encode_request_header(header) + encode(message, version)
