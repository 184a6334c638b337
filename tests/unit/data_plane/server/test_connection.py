"""A connection over a fake transport: order, muting, in-flight limits, back-pressure, closing."""

import asyncio
import struct
from typing import Any

import pytest

from data_plane.broker.config import Limits
from data_plane.broker.dispatch import Session
from data_plane.protocol.headers import RequestHeader, encode_request_header
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.messages.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from data_plane.protocol.schema import encode
from data_plane.security.principals import ANONYMOUS
from data_plane.server.clock import Clock
from data_plane.server.connection import Connection
from data_plane.server.response_budget import ResponseBudget
from data_plane.server.turns import Turns
from tests.unit.data_plane.broker.world import World, batch_of


class FakeTransport(asyncio.Transport):
    """Remembers what was written and whether it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.is_reading_now = True
        self.is_closed = False
        self.unsent = 0

    def write(self, data: Any) -> None:
        assert not self.is_closed, "nothing is written after close"
        self.written += bytes(data)
        self.writes += 1

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True

    def reads(self) -> bool:
        return self.is_reading_now

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = (high, low)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


class Wire:
    """One connection to a World, fed with bytes."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.world = World()
        self.world.create_topic("t")
        clock = Clock(*[lambda: self.world.now_ms / 1000] * 2)
        self.turns = Turns(self.world.broker, clock)
        self.transport = FakeTransport()
        self.left = 0
        self.budget = ResponseBudget(1 << 30)
        self.connection = Connection(self.turns, limits or Limits(), self)
        self.connection.connection_made(self.transport)

    def enter(self, connection: Connection, transport: asyncio.Transport) -> Session | None:
        return Session(listener="PLAINTEXT", principal=ANONYMOUS, client_host="127.0.0.1")

    def leave(self, connection: Connection) -> None:
        self.left += 1

    def send(self, *requests: bytes) -> None:
        """One read event with all of them."""
        data = b"".join(struct.pack(">i", len(one)) + one for one in requests)
        while data:
            space = self.connection.get_buffer(-1)
            count = min(len(space), len(data))
            space[:count] = data[:count]
            data = data[count:]
            self.connection.buffer_updated(count)

    def finish_syncs(self) -> None:
        self.world.executor.run()
        self.turns.end()

    def answered(self) -> list[int]:
        """Correlation ids of the replies written so far."""
        found, at = [], 0
        while at < len(self.transport.written):
            size, correlation_id = struct.unpack_from(">ii", self.transport.written, at)
            found.append(correlation_id)
            at += 4 + size
        return found


def request(key: int, version: int, correlation_id: int, body: bytes = b"") -> bytes:
    return encode_request_header(RequestHeader(key, version, correlation_id, None)) + body


def versions(correlation_id: int) -> bytes:
    return request(18, 0, correlation_id)


def produce(correlation_id: int, value: bytes = b"v", acks: int = -1) -> bytes:
    rows = [ProduceRequestPartition(0, batch_of(value))]
    whole = ProduceRequest(acks=acks, topic_data=[ProduceRequestTopic("t", partition_data=rows)])
    return request(0, 7, correlation_id, encode(whole, 7))


def fetch(correlation_id: int, offset: int = 0) -> bytes:
    rows = [FetchRequestPartition(0, fetch_offset=offset)]
    whole = FetchRequest(max_wait_ms=60_000, topics=[FetchRequestTopic("t", partitions=rows)])
    return request(1, 11, correlation_id, encode(whole, 11))


@pytest.mark.semantics("2a")
def test_pipelined_requests_are_answered_in_order_by_one_write() -> None:
    wire = Wire()
    wire.send(versions(1), produce(2, acks=1), versions(3))
    assert wire.answered() == [1, 2, 3]
    assert wire.transport.writes == 1


@pytest.mark.semantics("2a")
def test_a_reply_behind_a_parked_one_waits_its_turn() -> None:
    wire = Wire()
    wire.world.executor.is_held = True
    wire.send(produce(1), versions(2))
    assert wire.answered() == []
    wire.finish_syncs()
    assert wire.answered() == [1, 2]


@pytest.mark.semantics("2b")
def test_parked_produces_do_not_mute() -> None:
    """Five pipelined produces would otherwise wait for each other's sync (durability.md 7)."""
    wire = Wire()
    wire.world.executor.is_held = True
    for number in range(5):
        wire.send(produce(number))
    assert wire.world.broker.partition("t", 0).log.log_end_offset == 5
    wire.finish_syncs()
    assert wire.answered() == [0, 1, 2, 3, 4]


@pytest.mark.semantics("2b")
def test_a_parked_fetch_mutes_until_it_is_answered() -> None:
    wire = Wire()
    wire.send(fetch(1), versions(2))
    assert wire.answered() == []
    assert wire.transport.reads(), "nothing more has come yet"
    wire.send(versions(3))
    assert not wire.transport.reads(), "more has come that may not be parsed"
    wire.world.produce("t", batch_of(b"x"))
    wire.turns.end()
    assert wire.answered() == [1, 2, 3]
    assert wire.transport.reads()


@pytest.mark.parametrize(
    "limits", [Limits(inflight_produces_max=3), Limits(inflight_produce_bytes_max=200)]
)
def test_too_many_produces_in_flight_stop_the_parsing(limits: Limits) -> None:
    wire = Wire(limits)
    wire.world.executor.is_held = True
    wire.send(*(produce(number) for number in range(10)))
    end = wire.world.broker.partition("t", 0).log.log_end_offset
    assert 0 < end < 10
    for _ in range(10):
        wire.finish_syncs()
    assert wire.answered() == list(range(10))


def test_a_client_that_takes_nothing_is_not_read_from() -> None:
    wire = Wire()
    wire.connection.pause_writing()
    wire.send(versions(1))
    assert wire.answered() == []
    assert not wire.transport.reads()
    wire.connection.resume_writing()
    assert wire.answered() == [1]
    assert wire.transport.reads()


def test_a_bad_frame_closes_after_what_was_answered_before() -> None:
    wire = Wire()
    wire.send(versions(1), produce(2, acks=1), request(999, 0, 3), versions(4))
    assert wire.answered() == [1, 2]
    assert wire.transport.is_closed
    assert wire.world.broker.partition("t", 0).log.log_end_offset == 1


@pytest.mark.semantics("1b", "1c")
@pytest.mark.parametrize("size", [-1, 101 * 1024 * 1024])
def test_a_lying_length_closes(size: int) -> None:
    wire = Wire()
    space = wire.connection.get_buffer(-1)
    space[:4] = struct.pack(">i", size)
    wire.connection.buffer_updated(4)
    assert wire.transport.is_closed


def test_a_frame_before_authentication_is_small() -> None:
    wire = Wire()
    assert wire.connection._session is not None
    wire.connection._session.is_authenticated = False
    wire.send(b"\0" * (64 * 1024 + 1))
    assert wire.transport.is_closed


def test_a_lost_connection_leaves_nothing_waiting() -> None:
    wire = Wire()
    wire.send(fetch(1))
    partition = wire.world.broker.partition("t", 0)
    assert len(partition._progress) == 1
    wire.connection.connection_lost(None)
    assert len(partition._progress) == 0
    assert wire.left == 1
    wire.world.produce("t", batch_of(b"x"))
    wire.turns.end()
    assert wire.answered() == []


def test_a_refused_connection_is_not_listened_to() -> None:
    """Who refuses it ends it, perhaps later; until then nothing it says counts."""
    wire = Wire()
    transport = FakeTransport()

    class Closed:
        budget = ResponseBudget(1)

        def enter(self, connection: Connection, transport: asyncio.Transport) -> Session | None:
            return None

        def leave(self, connection: Connection) -> None:
            raise AssertionError("it never came in")

    refused = Connection(wire.turns, Limits(), Closed())
    refused.connection_made(transport)
    asked = versions(1)
    refused.get_buffer(-1)[: len(asked) + 4] = struct.pack(">i", len(asked)) + asked
    refused.buffer_updated(len(asked) + 4)
    wire.turns.end()
    assert transport.written == b""
    refused.connection_lost(None)


@pytest.mark.semantics("1a")
def test_requests_split_at_every_byte_are_the_same_requests() -> None:
    """Method: one byte per read."""
    whole = b"".join(
        struct.pack(">i", len(one)) + one for one in (versions(1), produce(2), versions(3))
    )
    wire = Wire()
    for at in range(len(whole)):
        wire.connection.get_buffer(-1)[:1] = whole[at : at + 1]
        wire.connection.buffer_updated(1)
    assert wire.answered() == [1, 2, 3]
