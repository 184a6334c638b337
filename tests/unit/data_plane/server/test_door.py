"""Who is let in, who has to wait behind the door, and who is sent away."""

import asyncio
import logging
from typing import Any

import pytest

from data_plane.broker.dispatch import Session
from data_plane.security.certificates import ForeignCertificate
from data_plane.security.principals import ANONYMOUS
from data_plane.server.connection import Connection
from data_plane.server.door import Door
from data_plane.server.log_limit import LogLimit
from data_plane.server.response_budget import ResponseBudget
from tests.unit.data_plane.server.test_connection import FakeTransport
from tests.unit.data_plane.server.test_throttle import Timers


class Entrance:
    name = "PLAINTEXT"

    def __init__(self, *, is_foreign: bool = False) -> None:
        self.is_foreign = is_foreign

    def session(self, transport: asyncio.Transport) -> Session:
        if self.is_foreign:
            raise ForeignCertificate("of another cluster")
        return Session(listener=self.name, principal=ANONYMOUS, client_host="127.0.0.1")


class Room:
    def __init__(self, places: int = 1) -> None:
        self.places = places
        self.budget = ResponseBudget(1)
        self.warnings = LogLimit(lambda: 0.0)

    def add(self, connection: Connection) -> bool:
        self.places -= 1
        return self.places >= 0

    def remove(self, connection: Connection) -> None:
        self.places += 1


class Pace:
    def __init__(self, *, held_ms: int = 0, until_ms: int = 0) -> None:
        self.held_ms, self.until_ms = held_ms, until_ms

    def refused_ms(self, host: str) -> int:
        return self.held_ms

    def accepted_until_ms(self) -> int:
        return self.until_ms


CONNECTION: Any = object()  # A door only passes it on.


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    made = Timers()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


def enter(
    room: Room, pace: Pace | None = None, *, is_foreign: bool = False
) -> tuple[FakeTransport, Session | None]:
    transport = FakeTransport()
    door = Door(Entrance(is_foreign=is_foreign), room, pace)
    return transport, door.enter(CONNECTION, transport)


def test_whoever_comes_in_time_has_a_session() -> None:
    transport, session = enter(Room(), Pace())
    assert session is not None
    assert session.throttle.until_ms == 0
    assert not transport.is_closed


def test_a_full_room_and_a_foreign_certificate_send_away() -> None:
    for room, is_foreign in ((Room(0), False), (Room(1), True)):
        transport, session = enter(room, is_foreign=is_foreign)
        assert session is None
        assert transport.is_closed
    assert room.places == 1, "the place was given back"


@pytest.mark.semantics("93d")
def test_who_comes_too_often_is_not_read_from_and_closed_later(
    timers: Timers, caplog: pytest.LogCaptureFixture
) -> None:
    room = Room()
    with caplog.at_level(logging.WARNING):
        transport, session = enter(room, Pace(held_ms=700))
    assert session is None
    assert (transport.is_closed, transport.reads()) == (False, False)
    assert room.places == 0, "it keeps its place"
    ((seconds, give_up),) = timers.calls
    assert seconds == 0.7
    give_up()
    assert (transport.is_closed, room.places) == (True, 1)
    assert "comes too often for its quota" in caplog.text


def test_where_the_listener_has_had_enough_the_session_begins_muted() -> None:
    _, session = enter(Room(), Pace(until_ms=12_345))
    assert session is not None
    assert session.throttle.until_ms == 12_345
