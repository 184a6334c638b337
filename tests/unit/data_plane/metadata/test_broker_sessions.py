"""Who has been heard of: what a new active controller believes of its predecessor."""

import pytest

from data_plane.metadata.broker_sessions import (
    GATHERING_MS,
    SESSION_MS,
    START_MS_MIN,
    BrokerSessions,
)
from tests.unit.data_plane.metadata.worlds import broker, cluster

NOW_MS = 100_000
IMAGE = cluster(broker(1), broker(2), broker(3))


@pytest.mark.parametrize(
    ("heard_ms_ago", "fenced_in_ms"),
    [(1_500, SESSION_MS - 1_500), (0, SESSION_MS), (60_000, START_MS_MIN)],
)
def test_the_session_of_the_controller_before_began_when_it_was_heard_last(
    heard_ms_ago: int, fenced_in_ms: int
) -> None:
    """The others have a whole one: nobody here has listened to them yet."""
    sessions = BrokerSessions()
    sessions.begin(IMAGE, NOW_MS, {1: NOW_MS - heard_ms_ago})
    assert sessions.next_due_ms == NOW_MS + fenced_in_ms
    assert sessions.expired(IMAGE, NOW_MS + fenced_in_ms - 1) == []
    assert 1 in sessions.expired(IMAGE, NOW_MS + fenced_in_ms)
    assert sessions.expired(IMAGE, NOW_MS + SESSION_MS) == [1, 2, 3]


def test_a_heartbeat_of_it_begins_a_session_as_any() -> None:
    sessions = BrokerSessions()
    sessions.begin(IMAGE, NOW_MS, {1: NOW_MS - 5_000})
    sessions.touch(1, IMAGE.brokers[1].broker_epoch, 0, NOW_MS + 500)
    assert sessions.expired(IMAGE, NOW_MS + SESSION_MS - 1) == []
    assert sessions.expired(IMAGE, NOW_MS + SESSION_MS) == [2, 3]


def test_all_stop_once_everybody_who_serves_wishes_to() -> None:
    sessions = BrokerSessions()
    sessions.begin(IMAGE, NOW_MS)
    for at, broker_id in enumerate((1, 2, 3)):
        assert not sessions.all_stop(IMAGE)
        sessions.touch(broker_id, IMAGE.brokers[broker_id].broker_epoch, 7, NOW_MS + at)
        sessions.wish(broker_id, NOW_MS + 100 * at)
    assert sessions.all_stop(IMAGE)
    sessions.begin(IMAGE, NOW_MS + 500)
    assert not sessions.all_stop(IMAGE), "another term: everybody is asked anew"


def test_wishes_are_gathered_for_a_moment_behind_the_last_one() -> None:
    sessions = BrokerSessions()
    sessions.begin(IMAGE, NOW_MS)
    assert not sessions.is_gathering(IMAGE, NOW_MS)
    sessions.wish(1, NOW_MS)
    sessions.wish(2, NOW_MS + 150)
    sessions.wish(1, NOW_MS + 180)  # said again, which is no new one
    assert sessions.is_gathering(IMAGE, NOW_MS + 150 + GATHERING_MS - 1)
    assert not sessions.is_gathering(IMAGE, NOW_MS + 150 + GATHERING_MS)


def test_a_wish_is_of_one_incarnation() -> None:
    sessions = BrokerSessions()
    sessions.begin(IMAGE, NOW_MS)
    for broker_id in (1, 2, 3):
        sessions.wish(broker_id, NOW_MS)
    sessions.touch(2, IMAGE.brokers[2].broker_epoch + 5, 7, NOW_MS + 10)
    assert not sessions.all_stop(IMAGE)
