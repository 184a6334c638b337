"""Dispatch: what is answered, what closes the connection, whose fault stays whose."""

import struct
from typing import Any

import pytest

from data_plane.broker.dispatch import CloseConnection, dispatch, error_response
from data_plane.broker.handlers import HANDLERS, handler
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import CoordinatorNotAvailable, ErrorCode
from data_plane.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from data_plane.protocol.messages.metadata import MetadataRequest
from tests.unit.data_plane.broker.world import World


@pytest.fixture
def world() -> World:
    return World()


def send(world: World, frame: bytes) -> None:
    dispatch(world.broker, world.session, memoryview(frame), world.now_ms)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0",
        struct.pack(">hhih", 3, 1, 1, 50),  # a client id longer than the frame
        struct.pack(">hhih", 3, 1, 1, 2) + b"\xff\xff",  # not UTF-8
        struct.pack(">hhih", 3, 9, 1, -1),  # a flexible header without its tags
        struct.pack(">hhih", 19, 2, 1, -1) + b"\x7f\xff\xff\xff",  # 2^31-1 topics in no bytes
        struct.pack(">hhih", 1, 11, 1, -1) + b"\0" * 7,
    ],
)
def test_what_cannot_be_read_closes(world: World, frame: bytes) -> None:
    with pytest.raises(CloseConnection):
        send(world, frame)


@pytest.mark.semantics("7a", "7b")
@pytest.mark.parametrize(("key", "version"), [(999, 0), (-5, 0), (3, 99), (3, -1), (4, 0)])
def test_what_is_not_served_closes_and_names_the_client(
    world: World, key: int, version: int
) -> None:
    with pytest.raises(CloseConnection, match="asked by curious"):
        send(world, struct.pack(">hhih", key, version, 1, 7) + b"curious\0")


def test_a_kafka_error_becomes_the_apis_own_response(world: World) -> None:
    """A right error in the wrong version's form was KAFKA-3427."""
    for version in range(5):
        asked = world.ask(HeartbeatRequest("g", 1, "m"), version)
        response: HeartbeatResponse = asked.response()
        assert response.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE


def test_a_bug_in_a_handler_closes_its_connection_only(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(handler(12), "handle", broken)
    with pytest.raises(CloseConnection, match="Heartbeat v0 failed"):
        world.ask(HeartbeatRequest("g", 1, "m"), 0)
    assert "ZeroDivisionError" in caplog.text
    assert world.ask(MetadataRequest(topics=()), 9).is_answered


def test_a_failure_of_a_parked_request_is_that_requests_own(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.create_topic("t")
    first, second = (world.fetch("t", 0, max_wait_ms=100) for _ in range(2))
    assert first.reply is not None
    assert first.reply.parked is not None
    calls: list[int] = []
    whole = type(first.reply.parked)._read  # type: ignore[attr-defined]  # seen from inside

    def read_once_broken(self: object) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError
        return whole(self)

    monkeypatch.setattr(type(first.reply.parked), "_read", read_once_broken)
    world.sleep(100)
    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(CloseConnection):
        first.response()
    assert second.response().error_code == 0


def test_every_error_response_can_be_built() -> None:
    """Either the response has an error at its top or its handler says how; else dispatch closes."""
    without = {
        key
        for key in HANDLERS
        if not getattr(handler(key), "IS_RAW", False) and not _has_error_form(key)
    }
    # Their handlers answer per row and raise nothing.
    assert {API_KEYS[key].name for key in without} <= ANSWERED_PER_ROW


ANSWERED_PER_ROW = {
    "ListOffsets",
    "DeleteRecords",
    "OffsetForLeaderEpoch",
    "DescribeGroups",
    "DescribeConfigs",
    "DeleteGroups",
    "DescribeProducers",
    "DescribeTransactions",
    "ConsumerGroupDescribe",
}


def _has_error_form(key: int) -> bool:
    module = handler(key)
    if hasattr(module, "error_response"):
        return True
    try:
        error_response(module, None, API_KEYS[key].response, CoordinatorNotAvailable())
    except TypeError:
        return False
    return True
