"""Answers made of answers: in one step, after a wait, and with an error on the way."""

import pytest

from data_plane.broker.gather import then
from data_plane.protocol.errors import KafkaError, NotCoordinator
from data_plane.replication.waiting import Parked


def test_what_is_there_is_gone_on_with_at_once() -> None:
    assert then(2, lambda n: n + 1) == 3


@pytest.mark.parametrize("is_second_parked", [False, True])
def test_what_comes_later_is_gone_on_with_then(is_second_parked: bool) -> None:
    first, second = Parked(), Parked()
    got: list[int] = []

    def go_on(answer: int) -> int | Parked:
        got.append(answer)
        return second if is_second_parked else 5

    whole = then(first, go_on)
    assert isinstance(whole, Parked)
    assert got == []
    first.complete(2)
    assert got == [2]
    assert whole.is_done is not is_second_parked
    second.complete(5)
    assert whole.response == 5


def test_an_error_is_the_answer_and_nothing_goes_on() -> None:
    error = KafkaError()
    first: Parked = Parked()
    got: list[object] = []
    whole = then(first, got.append)
    first.complete(error)
    assert isinstance(whole, Parked)
    assert whole.response is error
    assert then(error, got.append) is error
    assert got == []


def test_an_error_raised_behind_a_wait_is_the_answer() -> None:
    def refuse(_: object) -> int:
        raise NotCoordinator

    first: Parked = Parked()
    whole = then(first, refuse)
    first.complete(1)
    assert isinstance(whole, Parked)
    assert isinstance(whole.response, NotCoordinator)
