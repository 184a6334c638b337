"""The quick way answers and writes exactly what the handler would, or leaves it to the handler.

Method: two brokers get the same seeded requests, plain ones and every kind that is not; one of them
never takes the quick way. Answers and logs are compared byte for byte.
"""

import random

import pytest

from data_plane.broker.dispatch import CloseConnection, dispatch
from data_plane.broker.quick_produce import MISSES_MAX, ProduceReply
from data_plane.log.disk_space import DiskMark
from data_plane.metadata.records import CommitMode
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.headers import RequestHeader, encode_request_header
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.schema import encode
from tests.unit.data_plane.broker.world import World, batch_of, produced

TOPICS = ("t", "weak", "stamped", "missing", "__consumer_offsets")
STEPS = 120


def world_of(*, is_quick: bool) -> World:
    world = World()
    world.create_topic("t", 2)
    world.create_topic("weak", 200, ack_durability="replicated")
    world.create_topic("stamped", 2, message_timestamp_type="LogAppendTime")
    if not is_quick:
        world.session.quick_misses = MISSES_MAX
    return world


def request_of(rng: random.Random, sequences: dict[int, int]) -> bytes:
    """A whole request, plain four times in five."""
    is_odd = rng.random() < 0.2
    topic = rng.choice(TOPICS) if is_odd else "weak"
    partition = rng.choice((0, 1, 2, 127, 128, 199)) if topic == "weak" else rng.randrange(3)
    version = rng.randrange(3, 13) if is_odd else 9
    batch = bytearray(batch_for(rng, sequences))
    if is_odd and rng.random() < 0.5:
        batch[rng.randrange(len(batch))] ^= 1 << rng.randrange(8)
    rows = [ProduceRequestPartition(partition, bytes(batch))]
    if is_odd and rng.random() < 0.3:
        rows *= 2
    body = encode(
        ProduceRequest(
            None if rng.random() < 0.97 else "transactional",
            acks=rng.choice((-1, 1, 7)) if is_odd else -1,
            timeout_ms=rng.choice((5_000, -1)) if is_odd else 5_000,
            topic_data=[ProduceRequestTopic(topic, partition_data=rows)],
        ),
        version,
    )
    if is_odd and rng.random() < 0.3:
        body = damaged(rng, body)
    header = RequestHeader(0, version, rng.getrandbits(31), rng.choice(("one", "one", "two")))
    return encode_request_header(header) + body


def batch_for(rng: random.Random, sequences: dict[int, int]) -> bytes:
    values = [bytes(rng.randrange(1, 40)) for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.5:
        return batch_of(*values, compression=rng.randrange(5))
    producer_id = rng.randrange(3)
    first = sequences.get(producer_id, 0)
    if rng.random() < 0.9:
        sequences[producer_id] = first + len(values)
    return batch_of(
        *values,
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=first,
        is_transactional=rng.random() < 0.05,
    )


def damaged(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body))
    return rng.choice(
        (
            body[:at],
            body + b"\0more",
            body[:at] + bytes([body[at] ^ (1 << rng.randrange(8))]) + body[at + 1 :],
            body[:-1] + b"\x01\x05\x01x",
        )
    )


def told(world: World, request: bytes) -> tuple[bytes | None, bool]:
    """The answer (None: the connection is closed), and whether it came by the quick way."""
    frame = memoryview(bytearray(request))
    try:
        reply = dispatch(world.broker, world.session, frame, world.now_ms)
        world.broker.end_turn(world.now_ms)
        if reply is None:
            return b"no reply", False
        for _ in range(3):
            world.executor.run()
            world.broker.tick(world.now_ms)
        assert reply.is_ready
        return b"".join(bytes(p) for p in reply.take()), isinstance(reply, ProduceReply)
    except CloseConnection:
        return None, False


def logs_of(world: World) -> dict[str, bytes]:
    return {
        f"{partition.topic}-{partition.index}": partition.read(
            0, bytes_max=1 << 30, at_least_one=True
        ).read_bytes()
        for partition in world.broker.open_partitions()
    }


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_say_and_write_the_same(seed: int) -> None:
    rng = random.Random(seed)
    quick, slow = world_of(is_quick=True), world_of(is_quick=False)
    sequences: dict[int, int] = {}
    ways = 0
    for _ in range(STEPS):
        request = request_of(rng, sequences)
        quick.session.quick_misses = 0
        answer, is_quick = told(quick, request)
        expected, was_quick = told(slow, request)
        assert answer == expected, request.hex()
        assert not was_quick
        ways += is_quick
    assert logs_of(quick) == logs_of(slow)
    assert ways > STEPS // 10
    counted = [world.broker.metrics for world in (quick, slow)]
    assert counted[0].requests == counted[1].requests
    for topic, found in counted[1].topics.items():
        other = counted[0].topics[topic]
        assert (other.bytes_in, other.messages_in) == (found.bytes_in, found.messages_in)


def learn(world: World, topic: str) -> None:
    """Two produces: the second one must go the quick way."""
    for _ in range(2):
        asked = world.produce(topic, batch_of(b"x"))
        world.executor.run()
        assert produced(asked).error_code == ErrorCode.NONE
    assert isinstance(asked.reply, ProduceReply)


def test_a_deleted_topic_is_unknown_at_once() -> None:
    world = world_of(is_quick=True)
    learn(world, "weak")
    asked = world.ask(DeleteTopicsRequest(topic_names=["weak"]), 5)
    world.executor.run()
    assert asked.response().responses[0].error_code == ErrorCode.NONE
    asked = world.produce("weak", batch_of(b"y"))
    assert produced(asked).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    world.create_topic("weak")
    assert produced(world.produce("weak", batch_of(b"z"))).base_offset == 0


def test_an_acl_that_is_taken_back_counts_from_the_next_request() -> None:
    world = world_of(is_quick=True)
    learn(world, "weak")
    world.session.principal = "User:somebody"
    asked = world.produce("weak", batch_of(b"y"))
    assert produced(asked).error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED


def test_a_quick_produce_waits_for_its_sync_and_times_out() -> None:
    world = world_of(is_quick=True)
    learn(world, "t")
    assert world.broker.partition("t", 0).commit_mode == CommitMode.SYNCED
    world.executor.is_held = True
    asked = world.produce("t", batch_of(b"late"), timeout_ms=5_000)
    assert isinstance(asked.reply, ProduceReply)
    assert not asked.is_answered
    world.sleep(5_000)
    assert produced(asked).error_code == ErrorCode.REQUEST_TIMED_OUT
    world.executor.run()
    assert produced(asked).error_code == ErrorCode.REQUEST_TIMED_OUT


def test_a_full_disk_is_the_handlers_affair() -> None:
    world = world_of(is_quick=True)
    learn(world, "weak")
    world.files.capacity_bytes = 1_000
    world.sleep(2_000)
    assert world.broker.log_dir.disk_mark == DiskMark.FULL
    assert not world.broker.takes_plain_produces
    asked = world.produce("weak", batch_of(b"y"))
    assert produced(asked).error_code == ErrorCode.KAFKA_STORAGE_ERROR
