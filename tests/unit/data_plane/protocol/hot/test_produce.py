"""The hot Produce path equals the declaration, byte for byte and field for field."""

import random
from uuid import UUID

import pytest

from data_plane.protocol.hot.fields import TopicKey
from data_plane.protocol.hot.leaders import Endpoint, Leader
from data_plane.protocol.hot.produce import (
    NO_RECORDS,
    PartitionResult,
    read_produce,
    write_produce,
)
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
    ProduceResponse,
    ProduceResponseLeaderIdAndEpoch,
    ProduceResponseNodeEndpoint,
    ProduceResponsePartition,
    ProduceResponseRecordError,
    ProduceResponseTopic,
)
from data_plane.protocol.primitives import DecodeError
from data_plane.protocol.schema import encode

VERSIONS = range(3, 14)


def random_name(rng: random.Random) -> str:
    return "".join(rng.choices("abé.-_0", k=rng.choice((1, 5, 126, 127, 130, 249))))


def random_id(rng: random.Random) -> UUID:
    return UUID(int=rng.getrandbits(128))


def random_request(rng: random.Random) -> ProduceRequest:
    topics = tuple(
        ProduceRequestTopic(
            name=random_name(rng),
            topic_id=random_id(rng),
            partition_data=tuple(
                ProduceRequestPartition(
                    rng.randrange(1 << 31),
                    rng.choice((None, b"", rng.randbytes(126), rng.randbytes(20_000))),
                )
                for _ in range(rng.randrange(4))
            ),
        )
        for _ in range(rng.randrange(4))
    )
    return ProduceRequest(
        transactional_id=rng.choice((None, "", "txn-é")),
        acks=rng.choice((-1, 0, 1)),
        timeout_ms=rng.randrange(1 << 31),
        topic_data=topics,
    )


ENDPOINTS = [Endpoint(3, "three.test", 9093, "rack-é"), Endpoint(4, "x" * 200, 9094, None)]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("version", VERSIONS)
def test_read_equals_the_declaration(version: int, seed: int) -> None:
    request = random_request(random.Random(seed))
    view = memoryview(encode(request, version))
    call = read_produce(view, version)
    assert call[:3] == (request.transactional_id, request.acks, request.timeout_ms)
    read = [
        (
            topic,
            [(index, None if end == NO_RECORDS else view[start:end]) for index, start, end in rows],
        )
        for topic, rows in call.topics
    ]
    assert read == [
        (
            topic.name if version < 13 else topic.topic_id,
            [(part.index, part.records) for part in topic.partition_data],
        )
        for topic in request.topic_data
    ]


def random_result(rng: random.Random) -> PartitionResult:
    result = PartitionResult(rng.randrange(1 << 31))
    result.error_code = rng.choice((-1, 0, 87))
    result.base_offset = rng.randrange(-1, 1 << 40)
    result.log_append_time_ms = rng.randrange(-1, 1 << 40)
    result.log_start_offset = rng.randrange(-1, 1 << 40)
    result.message = rng.choice((None, "", "why é", "x" * 200))
    result.record_errors = [
        (rng.randrange(1 << 31), rng.choice((None, "no key"))) for _ in range(rng.randrange(3))
    ]
    result.current_leader = rng.choice((None, Leader(3, 9)))
    return result


def declared(result: PartitionResult) -> ProduceResponsePartition:
    leader = result.current_leader
    return ProduceResponsePartition(
        result.index,
        result.error_code,
        result.base_offset,
        result.log_append_time_ms,
        result.log_start_offset,
        tuple(ProduceResponseRecordError(*error) for error in result.record_errors),
        result.message,
        ProduceResponseLeaderIdAndEpoch(*(leader or (-1, -1))),
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("version", VERSIONS)
def test_write_equals_the_declaration(version: int, seed: int) -> None:
    rng = random.Random(seed)
    name_it = random_name if version < 13 else random_id
    results: list[tuple[TopicKey, list[PartitionResult]]] = [
        (name_it(rng), [random_result(rng) for _ in range(rng.randrange(4))])
        for _ in range(rng.randrange(4))
    ]
    response = ProduceResponse(
        responses=tuple(
            ProduceResponseTopic(
                **({"name": topic} if isinstance(topic, str) else {"topic_id": topic}),
                partition_responses=tuple(map(declared, rows)),
            )
            for topic, rows in results
        ),
        throttle_time_ms=seed,
        node_endpoints=tuple(ProduceResponseNodeEndpoint(*one) for one in ENDPOINTS[: seed % 3]),
    )
    assert write_produce(version, results, seed, ENDPOINTS[: seed % 3]) == encode(response, version)


def test_failing_forgets_what_the_append_found() -> None:
    result = PartitionResult(1)
    result.base_offset = result.log_append_time_ms = result.log_start_offset = 5
    result.fail(87, "why")
    assert (result.base_offset, result.log_append_time_ms, result.log_start_offset) == (-1, -1, -1)


@pytest.mark.parametrize(
    ("version", "text"),
    [
        (3, "ffff 0001 00000001 7fffffff"),  # A count that the bytes left cannot hold.
        (3, "ffff 0001 00000001 ffffffff"),  # Null topics.
        (3, "ffff 0001 00000001 00000001 ffff 00000000"),  # A null name.
        (3, "ffff 0001 00000001 00000001 0001 61 00000001 00000000 7fffffff"),
        (3, "ffff 0001 00000001 00000001 0001 61 00000001 00000000 00000002 aa"),
        (9, "00 0001 00000001 00 00"),
        (9, "00 0001 00000001 02 00 01 00 00"),
        (9, "00 0001 00000001 02 02 61 02 00000000 03 aa"),
        (9, "00 0001 00000001 02 02 61 02 00000000 ffffffff0f aa"),
        (9, "00 0001 00000001 01"),  # The tag section is missing.
    ],
)
def test_a_lying_request_is_refused(version: int, text: str) -> None:
    with pytest.raises(DecodeError):
        read_produce(memoryview(bytes.fromhex(text)), version)
