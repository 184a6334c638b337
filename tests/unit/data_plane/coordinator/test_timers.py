"""Deadlines by name."""

from data_plane.coordinator.timers import Timers


def test_only_an_earlier_deadline_replaces_one() -> None:
    timers = Timers()
    timers.watch("a", 10)
    timers.watch("a", 20)
    assert timers.next_due_ms == 10
    timers.watch("a", 5)
    assert timers.next_due_ms == 5
    assert timers.pop_due(30) == ["a"], "once, however often it was watched"
    assert timers.next_due_ms is None


def test_due_names_come_earliest_first_and_only_then() -> None:
    timers = Timers()
    timers.watch("late", 30)
    timers.watch("b", 20)
    timers.watch("a", 10)
    assert timers.pop_due(9) == []
    assert timers.pop_due(20) == ["a", "b"]
    assert timers.next_due_ms == 30


def test_a_deadline_can_be_withdrawn() -> None:
    timers = Timers()
    timers.watch("a", 10)
    timers.watch("a", None)
    assert timers.next_due_ms is None
    assert timers.pop_due(100) == []
