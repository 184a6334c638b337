"""Parked requests, deadlines and waiters by offset."""

from data_plane.replication.waiting import Deadlines, OffsetWaiters, Parked


def test_the_first_answer_counts() -> None:
    told: list[object] = []
    parked = Parked()
    parked.when_done(told.append)
    assert parked.complete("first")
    assert not parked.complete("second")
    assert (told, parked.response) == (["first"], "first")


def test_who_listens_late_is_told_at_once() -> None:
    told: list[object] = []
    parked = Parked()
    parked.complete("answer")
    parked.when_done(told.append)
    assert told == ["answer"]


def test_an_abandoned_request_tells_nobody() -> None:
    told: list[object] = []
    parked = Parked(5, lambda: "late")
    parked.when_done(told.append)
    parked.abandon()
    assert not parked.complete("answer")
    assert not parked.expire()
    assert told == []


def test_deadlines_come_in_order_of_time_then_of_arrival() -> None:
    deadlines = Deadlines()
    parked = {name: Parked(at, lambda: None) for name, at in [("b", 2), ("a", 1), ("c", 2)]}
    for one in parked.values():
        deadlines.add(one)
    assert deadlines.next_due_ms == 1
    due = list(deadlines.pop_due(2))
    assert due == [parked["a"], parked["b"], parked["c"]]
    assert deadlines.next_due_ms is None


def test_what_is_answered_is_not_due() -> None:
    deadlines = Deadlines()
    answered, open_ended, waiting = Parked(1), Parked(None), Parked(9)
    for one in (answered, open_ended, waiting):
        deadlines.add(one)
    answered.complete(None)
    assert deadlines.next_due_ms == 9
    assert list(deadlines.pop_due(8)) == []
    assert list(deadlines.pop_due(9)) == [waiting]


def test_offsets_are_told_once_reached_lowest_first() -> None:
    told: list[tuple[str, bool]] = []
    waiters = OffsetWaiters()
    for name, offset in [("far", 9), ("near", 3), ("also near", 3)]:
        waiters.add(offset, lambda is_kept, name=name: told.append((name, is_kept)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    waiters.advance(2)
    assert told == []
    waiters.advance(3)
    assert told == [("near", True), ("also near", True)]
    waiters.fail()
    assert told[2:] == [("far", False)]
    assert len(waiters) == 0
