"""Who has been heard of: what a new active controller believes of its predecessor."""

import pytest

from data_plane.metadata.broker_sessions import SESSION_MS, START_MS_MIN, BrokerSessions
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
