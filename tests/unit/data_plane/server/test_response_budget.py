"""What all connections hold together, and who is let go on when there is room again."""

from data_plane.server.response_budget import ResponseBudget


def test_whoever_waits_goes_on_when_there_is_room_first_come_first_served() -> None:
    budget, called = ResponseBudget(100), list[str]()
    budget.hold("a", 60)
    budget.hold("b", 60)
    assert budget.is_full

    def refill(owner: str) -> None:
        called.append(owner)
        budget.hold(owner, 50)

    for owner in ("c", "d", "e"):
        budget.wait(owner, lambda owner=owner: refill(owner))  # type: ignore[misc]  # mypy cannot infer a default
    budget.hold("b", 60)
    assert called == [], "nothing has changed"
    budget.hold("b", 30)
    assert called == ["c"], "90 leave room for one; then it is full"
    budget.forget("a")
    assert called == ["c", "d"]
    budget.forget("e")
    budget.hold("b", 0)
    assert called == ["c", "d"], "who is gone is not called"
    assert budget.held_bytes == 100


def test_held_bytes_are_the_sum_of_what_each_said_last() -> None:
    budget = ResponseBudget(1_000)
    for owner, size_bytes in (("a", 5), ("b", 7), ("a", 5), ("a", 0), ("b", 9), ("c", 0)):
        budget.hold(owner, size_bytes)
    assert budget.held_bytes == 9
