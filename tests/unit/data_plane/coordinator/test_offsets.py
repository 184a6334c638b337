"""Committed offsets: what is kept, what is refused, when they go."""

from typing import Any

import pytest

from data_plane.coordinator.group_config import DAY_MS, GroupConfig
from data_plane.coordinator.group_records import GroupRemoved, OffsetCommitted, OffsetRemoved
from data_plane.protocol.errors import ErrorCode
from tests.unit.data_plane.coordinator.driving import GROUP, Driver

NO_DELAY = GroupConfig(initial_rebalance_delay_ms=0)
WEEK_MS = 7 * DAY_MS
CHECK_MS = GroupConfig().offsets_check_interval_ms
# Version 0 of a consumer's subscription: topics t and u, null user data.
T_AND_U = bytes.fromhex("0000 00000002 0001 74 0001 75 ffffffff")


def stable_driver(metadata: bytes = T_AND_U, **options: Any) -> tuple[Driver, str]:
    """A group with one member in generation 1."""
    driver = Driver(NO_DELAY)
    member_id = driver.admit("a", protocols=[("range", metadata)], **options)
    driver.sync("a", member_id, 1, {member_id: b"all"})
    return driver, member_id


def test_the_latest_commit_counts_also_after_a_reload() -> None:
    driver = Driver()
    driver.commit({("t", 0): 5, ("t", 1): 6}, metadata="m")
    driver.commit({("t", 0): 7})
    driver.restart()
    assert driver.committed() == {("t", 0): 7, ("t", 1): 6}
    assert driver.shard.committed(GROUP)["t", 1].metadata == "m"


@pytest.mark.semantics("60c")
def test_long_metadata_is_refused_alone() -> None:
    driver = Driver()
    assert driver.commit({("t", 0): 1}, metadata="x" * 4_096) == (ErrorCode.NONE,)
    refused = driver.commit({("t", 0): 2}, metadata="x" * 4_097)
    assert refused == (ErrorCode.OFFSET_METADATA_TOO_LARGE,)
    assert driver.committed() == {("t", 0): 1}


@pytest.mark.semantics("60a")
@pytest.mark.parametrize(
    ("version", "code"),
    [(8, ErrorCode.ILLEGAL_GENERATION), (9, ErrorCode.GROUP_ID_NOT_FOUND)],
)
def test_a_member_of_no_group_may_not_commit(version: int, code: ErrorCode) -> None:
    driver = Driver()
    assert driver.commit({("t", 0): 1}, "ghost", 3, version=version) == (code,)
    assert driver.shard.groups == {}


@pytest.mark.semantics("62b")
def test_offsets_of_a_simple_consumer_expire_a_week_after_their_own_commit() -> None:
    driver = Driver()
    driver.commit({("t", 0): 1})
    driver.advance(DAY_MS)
    driver.commit({("t", 1): 2})
    driver.advance(WEEK_MS + CHECK_MS)
    assert driver.committed() == {("t", 1): 2}
    driver.advance(DAY_MS + WEEK_MS + CHECK_MS)
    assert driver.committed() == {}
    assert driver.shard.groups == {}, "nothing is left of the group either"


@pytest.mark.semantics("62a")
def test_offsets_of_a_group_expire_a_week_after_it_became_empty() -> None:
    session_ms = 1_800_000
    driver, member_id = stable_driver(session_ms=session_ms)
    driver.commit({("t", 0): 1}, member_id, 1)
    while driver.now_ms < 2 * WEEK_MS:  # alive: nothing expires
        driver.advance(driver.now_ms + session_ms - 1)
        assert driver.heartbeat(member_id, 1) is ErrorCode.NONE
    died_ms = driver.now_ms + session_ms
    driver.advance(died_ms + WEEK_MS - 1)
    assert driver.committed() == {("t", 0): 1}
    driver.advance(died_ms + WEEK_MS + CHECK_MS)
    assert driver.committed() == {}
    assert driver.records[-2:] == [OffsetRemoved(GROUP, "t", 0), GroupRemoved(GROUP)]
    driver.restart()
    assert driver.shard.groups == {}


@pytest.mark.semantics("62c")
def test_an_explicit_retention_counts_from_the_commit() -> None:
    driver = Driver()
    driver.commit({("t", 0): 1}, retention_ms=DAY_MS)
    driver.restart()  # the log tells it, too
    driver.advance(DAY_MS - 1)
    assert driver.committed() == {("t", 0): 1}
    driver.advance(DAY_MS + CHECK_MS)
    assert driver.committed() == {}


def test_expiry_goes_in_bounded_turns() -> None:
    driver = Driver(GroupConfig(expired_records_max=10))
    for n in range(25):
        driver.commit({("t", n): n}, group_id=f"g{n}")
    logged = len(driver.log)
    driver.now_ms = WEEK_MS + CHECK_MS
    driver.carry_out(driver.shard.expire(driver.now_ms))
    assert len(driver.log) - logged == 10
    assert driver.shard.next_due_ms == driver.now_ms, "the rest waits for the next turn only"
    driver.advance(driver.now_ms)
    assert len(driver.log) - logged == 25


def test_a_deleted_topic_takes_its_offsets_with_it() -> None:
    driver = Driver()
    driver.commit({("t", 0): 1, ("u", 0): 2})
    driver.commit({("t", 3): 1}, group_id="other")
    driver.carry_out(driver.shard.decide_forget_topic("t"))
    assert driver.committed() == {("u", 0): 2}
    assert driver.committed("other") == {}


def test_delete_group_wants_it_empty() -> None:
    driver, member_id = stable_driver()
    driver.commit({("t", 0): 1}, member_id, 1)
    shard = driver.shard
    assert driver.carry_out(shard.decide_delete_group("ghost")) is ErrorCode.GROUP_ID_NOT_FOUND
    assert driver.carry_out(shard.decide_delete_group(GROUP)) is ErrorCode.NON_EMPTY_GROUP
    driver.advance(60_000)
    assert driver.carry_out(shard.decide_delete_group(GROUP)) is ErrorCode.NONE
    assert driver.committed() == {}
    driver.restart()
    assert driver.shard.groups == {}


def test_delete_offsets_spares_topics_that_are_consumed() -> None:
    driver, member_id = stable_driver()
    driver.commit({("t", 0): 1, ("old", 0): 2}, member_id, 1)
    wanted = [("t", 0), ("old", 0), ("old", 9)]
    answer = driver.carry_out(driver.shard.decide_delete_offsets(GROUP, wanted))
    subscribed = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    assert answer == (ErrorCode.NONE, (subscribed, ErrorCode.NONE, ErrorCode.NONE))
    assert driver.committed() == {("t", 0): 1}


@pytest.mark.parametrize("metadata", [b"", b"\x00", b"\x00\x00\x7f\xff\xff\xff", b"garbage!"])
def test_delete_offsets_spares_everything_if_a_subscription_cannot_be_read(metadata: bytes) -> None:
    driver, member_id = stable_driver(metadata)
    driver.commit({("t", 0): 1}, member_id, 1)
    answer = driver.carry_out(driver.shard.decide_delete_offsets(GROUP, [("t", 0)]))
    assert answer == (ErrorCode.NONE, (ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,))


def test_delete_offsets_of_a_living_group_that_is_no_consumer() -> None:
    driver, _ = stable_driver(protocol_type="connect")
    answer = driver.carry_out(driver.shard.decide_delete_offsets(GROUP, [("t", 0)]))
    assert answer == (ErrorCode.NON_EMPTY_GROUP, ())
    answer = driver.carry_out(driver.shard.decide_delete_offsets("ghost", [("t", 0)]))
    assert answer == (ErrorCode.GROUP_ID_NOT_FOUND, ())


def test_a_commit_keeps_the_session_alive() -> None:
    driver, member_id = stable_driver()
    for _ in range(5):
        driver.advance(driver.now_ms + 9_000)
        driver.commit({("t", 0): 1}, member_id, 1)
    assert driver.heartbeat(member_id, 1) is ErrorCode.NONE
    assert isinstance(driver.records[-1], OffsetCommitted)
