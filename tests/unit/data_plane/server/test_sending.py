"""How replies leave: in slices, over a full transport, out of damaged files, or not at all."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from data_plane.broker.config import Limits
from data_plane.log.failures import DamagedLog
from data_plane.log.log_slice import LogSlice
from data_plane.server.response_budget import ResponseBudget
from tests.unit.data_plane.broker.world import batch_of
from tests.unit.data_plane.server.test_connection import Wire, fetch, produce, versions

SLICE = 64 * 1024
LIMITS = Limits(slice_bytes_max=SLICE, stalled_ms_max=5_000)
IDLE_MS = 60_000


class Soon:
    """Stands for the loop: what is to be called in the next turn waits here."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None], *_: Any) -> None:
        self.calls.append(call)

    def run(self) -> None:
        """One turn of the loop."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Soon:
    made = Soon()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


def filled(limits: Limits = LIMITS, batches: int = 5) -> Wire:
    """A connection to a broker with half a megabyte to read."""
    wire = Wire(limits)
    for _ in range(batches):
        wire.world.produce("t", batch_of(b"x" * 100_000))
    return wire


def test_a_large_answer_leaves_in_slices_one_per_turn(soon: Soon) -> None:
    wire = filled()
    wire.send(fetch(1), versions(2))
    sizes = [len(wire.transport.written)]
    while soon.calls:
        soon.run()
        sizes.append(len(wire.transport.written))
    steps = [after - before for before, after in pairwise(sizes)]
    assert len(steps) > 6
    assert max([sizes[0], *steps[:-1]]) <= SLICE
    assert wire.answered() == [1, 2], "and then what came behind it"
    assert wire.transport.written.count(b"x" * 100_000) == 5


def test_the_next_slice_waits_until_the_transport_has_drained(soon: Soon) -> None:
    wire = filled()
    wire.connection.pause_writing()
    wire.send(fetch(1))
    assert wire.transport.written == b""
    wire.connection.resume_writing()
    first = len(wire.transport.written)
    assert 0 < first <= SLICE
    wire.connection.pause_writing()
    soon.run()
    assert len(wire.transport.written) == first
    wire.connection.resume_writing()
    while soon.calls:
        soon.run()
    assert wire.answered() == [1]


def test_nothing_more_is_parsed_before_an_answer_has_left(soon: Soon) -> None:
    """Else a client that pipelines fetches and takes nothing would fill the memory."""
    wire = filled()
    wire.send(fetch(1))
    wire.send(produce(2, acks=1))
    end = wire.world.broker.partition("t", 0).log.log_end_offset
    assert end == 5
    while soon.calls:
        soon.run()
    assert wire.world.broker.partition("t", 0).log.log_end_offset == 6
    assert wire.answered() == [1, 2]


def test_damage_found_while_an_answer_leaves_closes_and_quarantines(
    soon: Soon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its head has left: what follows it on this connection could not be told apart."""
    wire = filled()
    wire.send(fetch(1))

    def broken(_: LogSlice) -> bytes:
        raise DamagedLog("read 0 of 1 bytes")

    monkeypatch.setattr(LogSlice, "read_bytes", broken)
    while soon.calls:
        soon.run()
    assert wire.transport.is_closed
    assert wire.answered() == [1], "cut short"
    assert len(wire.world.broker.log_dir.quarantined) == 1


def test_a_full_budget_holds_files_back_and_lets_small_replies_pass(soon: Soon) -> None:
    wire = filled()
    wire.budget = ResponseBudget(1_000)
    wire.budget.hold("somebody", 2_000)
    wire.send(versions(1))
    assert wire.answered() == [1]
    wire.send(fetch(2))
    soon.run()
    assert len(wire.transport.written) < 1_000, "the head and no records"
    wire.budget.hold("somebody", 0)
    while soon.calls:
        soon.run()
    assert wire.answered() == [1, 2]
    assert wire.budget.held_bytes == 0


def test_who_goes_makes_room(soon: Soon) -> None:
    wire = filled()
    wire.budget = ResponseBudget(1_000)
    wire.transport.unsent = 5_000
    wire.send(versions(1))
    assert wire.budget.is_full
    woken: list[bool] = []
    wire.budget.wait("another", lambda: woken.append(True))
    wire.connection.connection_lost(None)
    assert woken == [True]
    assert wire.budget.held_bytes == 0
    assert soon.calls == []


def look(wire: Wire, seconds: float) -> None:
    """As the process does now and then; `seconds` since the first look."""
    wire.connection.look_at_idle(int(seconds * 1000), IDLE_MS)


def test_a_silent_connection_is_closed_and_a_used_one_is_not() -> None:
    silent, used = Wire(LIMITS), Wire(LIMITS)
    for seconds in (0, 30, 59):
        used.send(versions(1))
        look(silent, seconds)
        look(used, seconds)
    closed = [silent.transport.is_closed]
    look(silent, 60)
    look(used, 61)
    assert [*closed, silent.transport.is_closed] == [False, True]
    assert not used.transport.is_closed


def test_a_connection_that_waits_for_its_answer_is_not_idle() -> None:
    wire = Wire(LIMITS)
    wire.send(fetch(1))
    for seconds in (0, 61, 122):
        look(wire, seconds)
    assert not wire.transport.is_closed


def test_a_client_that_takes_nothing_is_idle_however_much_waits_for_it() -> None:
    wire = Wire(LIMITS)
    wire.transport.unsent = 10
    wire.send(fetch(1))
    for seconds in (0, 59):
        look(wire, seconds)
    wire.transport.unsent = 9
    look(wire, 60)
    closed = [wire.transport.is_closed]
    look(wire, 120)
    closed.append(wire.transport.is_closed)
    assert closed == [False, True], "it had just taken something the first time"


def test_a_stalled_client_goes_early_when_others_need_the_room() -> None:
    wire = Wire(LIMITS)
    wire.budget = ResponseBudget(1_000)
    wire.transport.unsent = 10
    look(wire, 0)
    look(wire, 6)
    closed = [wire.transport.is_closed]
    wire.budget.hold("somebody", 2_000)
    look(wire, 7)
    closed.append(wire.transport.is_closed)
    assert closed == [False, True]
