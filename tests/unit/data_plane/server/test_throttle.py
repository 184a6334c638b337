"""A connection over its quota: the answer leaves at once, then nothing of it is read (KIP-219)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from data_plane.broker.dispatch import Session
from data_plane.metadata.decision import Decision
from data_plane.metadata.records import ClientQuotaRecord, QuotaEntityPart
from data_plane.security.principals import ANONYMOUS
from data_plane.server.connection import Connection
from data_plane.server.response_budget import ResponseBudget
from tests.unit.data_plane.server.test_connection import FakeTransport, Wire, fetch, produce

LARGE = b"x" * 20_000


class Timers:
    """Stands for the loop: remembers what is to be called, and in how many seconds."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, call: Callable[[], None], *_: Any) -> "Timers":
        self.calls.append((seconds, call))
        return self

    def cancel(self) -> None:
        self.calls.clear()


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    made = Timers()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


def limited(key: str) -> Wire:
    wire = Wire()
    entity = [QuotaEntityPart("user", "ANONYMOUS")]
    decision = Decision(None, [ClientQuotaRecord(entity, key, 1_000.0)])
    wire.world.broker.decide(lambda _: decision)
    wire.world.broker.end_turn(wire.world.now_ms)
    return wire


@pytest.mark.semantics("11b", "93f")
def test_what_comes_behind_an_offender_waits_and_is_then_answered(timers: Timers) -> None:
    wire = limited("producer_byte_rate")
    wire.send(produce(1, LARGE, acks=1), produce(2, acks=1))
    assert wire.answered() == [1], "answered at once, then muted"
    ((seconds, unmute),) = timers.calls
    assert 18 <= seconds <= 20
    wire.send(produce(3, acks=1))
    assert wire.answered() == [1]
    assert not wire.transport.reads(), "the kernel pushes back from here"
    wire.world.now_ms += 20_000
    timers.calls.clear()
    unmute()
    assert wire.answered() == [1, 2, 3]
    assert wire.transport.reads()


def test_a_client_without_acks_is_muted_as_well(timers: Timers) -> None:
    wire = limited("producer_byte_rate")
    wire.send(produce(1, LARGE, acks=0), produce(2, acks=1))
    assert wire.answered() == []
    assert len(timers.calls) == 1


@pytest.mark.semantics("11b", "93f")
def test_a_fetch_over_the_quota_mutes_after_its_answer(timers: Timers) -> None:
    wire = limited("consumer_byte_rate")
    for number in range(2):
        wire.send(produce(number, LARGE))
    wire.send(fetch(10, 0), fetch(11, 0))
    assert wire.answered() == [0, 1, 10]
    assert len(timers.calls) == 1


@pytest.mark.semantics("94a")
def test_another_connection_is_served_meanwhile(timers: Timers) -> None:
    wire = limited("producer_byte_rate")
    wire.send(produce(1, LARGE, acks=1))
    assert timers.calls
    other = Connection(wire.turns, wire.world.config.limits, Stranger())
    wire.connection, muted = other, wire.connection
    transport = FakeTransport()
    other.connection_made(transport)
    wire.transport = transport
    wire.send(fetch(5, 0))
    assert wire.answered() == [5]
    assert muted is not other


class Stranger:
    """Lets in somebody else, who has no quota."""

    budget = ResponseBudget(1 << 30)

    def enter(self, _connection: Connection, _transport: asyncio.Transport) -> Session | None:
        return Session(listener="PLAINTEXT", principal=ANONYMOUS, client_host="127.0.0.2")

    def leave(self, connection: Connection) -> None: ...


def test_a_connection_that_goes_leaves_no_timer(timers: Timers) -> None:
    wire = limited("producer_byte_rate")
    wire.send(produce(1, LARGE, acks=1))
    wire.connection.connection_lost(None)
    assert timers.calls == []
