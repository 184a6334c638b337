"""The hot Fetch path equals the declaration, byte for byte and field for field."""

import random
from dataclasses import replace
from uuid import UUID

import pytest

from data_plane.protocol.hot.fetch import (
    FetchResult,
    read_fetch,
    write_diverging_end,
    write_end,
    write_endpoints_end,
    write_head,
    write_led_end,
    write_result,
    write_topic,
)
from data_plane.protocol.hot.fields import TopicKey
from data_plane.protocol.hot.leaders import Endpoint, Leader
from data_plane.protocol.messages.fetch import (
    HIGH_WATERMARK_UNKNOWN,
    FetchRequest,
    FetchRequestForgottenTopic,
    FetchRequestPartition,
    FetchRequestReplicaState,
    FetchRequestTopic,
    FetchResponse,
    FetchResponseAbortedTransaction,
    FetchResponseEpochEndOffset,
    FetchResponseLeaderIdAndEpoch,
    FetchResponseNodeEndpoint,
    FetchResponsePartition,
    FetchResponseTopic,
)
from data_plane.protocol.primitives import Buffer, DecodeError
from data_plane.protocol.schema import decode, encode

VERSIONS = range(4, 19)


def random_name(rng: random.Random) -> str:
    return "".join(rng.choices("abé.-_0", k=rng.choice((1, 5, 126, 127, 130, 249))))


def random_id(rng: random.Random) -> UUID:
    return UUID(int=rng.getrandbits(128))


def random_request(rng: random.Random) -> FetchRequest:
    """Of all versions; each takes the fields that it has."""
    return FetchRequest(
        replica_state=FetchRequestReplicaState(rng.choice((-1, 2)), rng.choice((-1, 5))),
        cluster_id=rng.choice((None, "cluster")),
        replica_id=rng.choice((-1, 2)),
        max_wait_ms=rng.randrange(1 << 31),
        min_bytes=rng.randrange(1 << 31),
        max_bytes=rng.randrange(1 << 31),
        isolation_level=rng.randrange(2),
        session_id=rng.randrange(1 << 31),
        session_epoch=rng.randrange(-1, 9),
        topics=tuple(
            FetchRequestTopic(
                topic=random_name(rng),
                topic_id=random_id(rng),
                partitions=tuple(
                    FetchRequestPartition(
                        rng.randrange(1 << 31),
                        rng.randrange(-1, 9),
                        rng.randrange(1 << 40),
                        rng.randrange(-1, 9),
                        rng.randrange(-1, 1 << 40),
                        rng.randrange(1 << 31),
                        rng.choice((UUID(int=0), random_id(rng))),
                        rng.choice((HIGH_WATERMARK_UNKNOWN, rng.randrange(1 << 40))),
                    )
                    for _ in range(rng.randrange(4))
                ),
            )
            for _ in range(rng.randrange(4))
        ),
        forgotten_topics_data=tuple(
            FetchRequestForgottenTopic(
                topic=random_name(rng), topic_id=random_id(rng), partitions=(1, 2, 3)[:count]
            )
            for count in range(rng.randrange(4))
        ),
        rack_id=rng.choice(("", "rack-é")),
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("version", VERSIONS)
def test_read_equals_the_declaration(version: int, seed: int) -> None:
    body = encode(random_request(random.Random(seed)), version)
    request = decode(FetchRequest, version, body)
    call = read_fetch(memoryview(body), version)
    assert call[:7] == (
        request.replica_id if version < 15 else request.replica_state.replica_id,
        request.max_wait_ms,
        request.min_bytes,
        request.max_bytes,
        request.isolation_level,
        request.session_id,
        request.session_epoch,
    )
    assert call.topics == [
        (
            topic.topic if version < 13 else topic.topic_id,
            [
                (
                    part.partition,
                    part.current_leader_epoch,
                    part.fetch_offset,
                    part.partition_max_bytes,
                    part.last_fetched_epoch,
                    part.log_start_offset,
                )
                for part in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    assert call.forgotten == [
        (topic.topic if version < 13 else topic.topic_id, topic.partitions)
        for topic in request.forgotten_topics_data
    ]
    assert call.rack_id == request.rack_id


Row = tuple[FetchResult, bytes, tuple[int, int] | None]


def random_row(rng: random.Random, version: int) -> Row:
    aborted = rng.choice((None, (), ((5, 7), (1 << 40, 9))))
    result = FetchResult(
        rng.randrange(1 << 31),
        rng.choice((-1, 0, 6)),
        rng.randrange(-1, 1 << 40),
        rng.randrange(-1, 1 << 40),
        rng.randrange(-1, 1 << 40),
        aborted,
        rng.choice((-1, 3)),
    )
    records = rng.randbytes(rng.choice((0, 126, 127, 20_000)))
    return result, records, rng.choice((None, (4, 1 << 40))) if version >= 12 else None


def written(version: int, topics: list[tuple[TopicKey, list[Row]]]) -> bytes:
    """Write as the broker does: what Python makes, then the records as the log gives them."""
    parts: list[Buffer] = []
    out = write_head(version, 3, len(topics), session_id=77, throttle_time_ms=5)
    for topic, rows in topics:
        write_topic(out, version, topic, len(rows))
        for result, records, diverging in rows:
            write_result(out, version, result, len(records))
            parts += (bytes(out), records)
            out.clear()
            if diverging is None:
                write_end(out, version)
            else:
                write_diverging_end(out, version, *diverging)
        write_end(out, version)
    write_end(out, version)
    return b"".join([*parts, out])


def declared(row: Row) -> FetchResponsePartition:
    result, records, diverging = row
    aborted = result.aborted_transactions
    return FetchResponsePartition(
        result.partition,
        result.error_code,
        result.high_watermark,
        result.last_stable_offset,
        result.log_start_offset,
        FetchResponseEpochEndOffset(*(diverging or (-1, -1))),
        aborted_transactions=None
        if aborted is None
        else tuple(FetchResponseAbortedTransaction(*entry) for entry in aborted),
        preferred_read_replica=result.preferred_read_replica,
        records=records,
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("version", VERSIONS)
def test_write_equals_the_declaration(version: int, seed: int) -> None:
    rng = random.Random(seed)
    name_it = random_name if version < 13 else random_id
    topics: list[tuple[TopicKey, list[Row]]] = [
        (name_it(rng), [random_row(rng, version) for _ in range(rng.randrange(4))])
        for _ in range(rng.randrange(4))
    ]
    response = FetchResponse(
        throttle_time_ms=5,
        error_code=3,
        session_id=77,
        responses=tuple(
            FetchResponseTopic(
                **({"topic": topic} if isinstance(topic, str) else {"topic_id": topic}),
                partitions=tuple(map(declared, rows)),
            )
            for topic, rows in topics
        ),
    )
    assert written(version, topics) == encode(response, version)


def test_epochs_cannot_diverge_before_v12() -> None:
    with pytest.raises(AssertionError):
        write_diverging_end(bytearray(), 11, 1, 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_cut_is_refused(version: int) -> None:
    body = memoryview(encode(random_request(random.Random(3)), version))
    for cut in range(len(body)):
        with pytest.raises(DecodeError):
            read_fetch(body[:cut], version)


@pytest.mark.parametrize("version", [16, 17, 18])
def test_leaders_and_where_they_are_equal_the_declaration(version: int) -> None:
    endpoints = [Endpoint(3, "three.test", 9093, None)]
    topic = UUID(int=7)
    out = write_head(version, 0, 1)
    write_topic(out, version, topic, 1)
    result = FetchResult(0, 6, -1, -1, -1)
    write_result(out, version, result, 0)
    write_led_end(out, version, Leader(3, 9))
    write_end(out, version)
    write_endpoints_end(out, version, endpoints)
    row = replace(declared((result, b"", None)), current_leader=FetchResponseLeaderIdAndEpoch(3, 9))
    response = FetchResponse(
        responses=[FetchResponseTopic(topic_id=topic, partitions=[row])],
        node_endpoints=[FetchResponseNodeEndpoint(*one) for one in endpoints],
    )
    assert bytes(out) == encode(response, version)
