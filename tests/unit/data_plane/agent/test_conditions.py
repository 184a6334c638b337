"""A condition's time is that of its status and reason, not of its wording."""

from data_plane.agent.conditions import ConditionBook, Truth


def test_since_stays_while_the_truth_stays() -> None:
    book = ConditionBook()
    book.note(Truth("Ready", False, "Starting", "a"), 10)
    book.note(Truth("Ready", False, "Starting", "b"), 20)
    (condition,) = book.list()
    assert (condition.since_ms, condition.message) == (10, "b")
    book.note(Truth("Ready", False, "CrashLoop"), 30)
    book.note(Truth("Ready", True), 40)
    assert [each.since_ms for each in book.list()] == [40]


def test_problems_are_cleared() -> None:
    book = ConditionBook()
    book.note(Truth("Ready", True), 10)
    book.note(Truth("PortTaken", True), 10)
    assert [each.name for each in book.list()] == ["PortTaken", "Ready"]
    book.clear("PortTaken")
    book.clear("CrashLoop")
    assert [each.name for each in book.list()] == ["Ready"]
    book.clear_all()
    assert book.list() == []
