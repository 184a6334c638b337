"""Offsets of KIP-848 groups, and groups without members: expired, deleted, told apart."""

import random

import pytest

from data_plane.coordinator.group_config import DAY_MS, GroupConfig
from data_plane.protocol.errors import ErrorCode
from tests.unit.data_plane.coordinator.driving import GROUP, Driver
from tests.unit.data_plane.coordinator.transcripts import Options, beat, join, topics

WEEK_MS = 7 * DAY_MS
NO_NAMES: list[str] = []


def driver_of(config: GroupConfig | None = None) -> Driver:
    driver = Driver(config or GroupConfig(), rng=random.Random(1))
    topics(driver, NO_NAMES, {"t": "2", "u": "1"})
    return driver


def said(driver: Driver, member: str, epoch: int, **options: str) -> str:
    asked: Options = {"epoch": str(epoch), **options}
    return beat(driver, [member], asked)


def test_offsets_of_an_empty_group_expire_by_their_own_commit_and_the_group_with_the_last() -> None:
    driver = driver_of()
    said(driver, "m", 0, topics="t")
    driver.commit({("t", 0): 1}, "m", 1, version=9)
    said(driver, "m", -1)
    driver.advance(DAY_MS)
    driver.commit({("t", 1): 2})
    driver.advance(WEEK_MS + DAY_MS // 2)
    assert driver.committed() == {("t", 1): 2}
    assert GROUP in driver.shard.consumer_groups
    driver.advance(WEEK_MS + 2 * DAY_MS)
    assert driver.committed() == {}
    assert GROUP not in driver.shard.consumer_groups
    driver.restart()
    assert GROUP not in driver.shard.consumer_groups
    assert GROUP not in driver.shard.groups


def test_nothing_expires_while_somebody_is_there() -> None:
    session = GroupConfig(consumer_session_timeout_ms=WEEK_MS * 4)
    driver = driver_of(session)
    said(driver, "m", 0, topics="t")
    driver.commit({("t", 0): 1}, "m", 1, version=9)
    driver.advance(WEEK_MS * 3)
    assert driver.committed() == {("t", 0): 1}


def test_a_group_with_members_is_not_deleted_and_its_topics_keep_their_offsets() -> None:
    driver = driver_of()
    said(driver, "m", 0, topics="t")
    driver.commit({("t", 0): 1, ("u", 0): 2}, "m", 1, version=9)
    assert driver.shard.decide_delete_group(GROUP).response is ErrorCode.NON_EMPTY_GROUP
    wanted = [("t", 0), ("u", 0)]
    code, codes = driver.carry_out(driver.shard.decide_delete_offsets(GROUP, wanted))
    assert (code, codes) == (
        ErrorCode.NONE,
        (ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.NONE),
    )
    assert driver.committed() == {("t", 0): 1}
    said(driver, "m", -1)
    assert driver.carry_out(driver.shard.decide_delete_group(GROUP)) is ErrorCode.NONE
    assert driver.shard.decide_delete_group(GROUP).response is ErrorCode.GROUP_ID_NOT_FOUND
    driver.restart()
    assert driver.committed() == {}
    assert GROUP not in driver.shard.consumer_groups


def test_only_an_empty_group_takes_commits_of_nobody() -> None:
    driver = driver_of()
    said(driver, "m", 0, topics="t")
    assert driver.commit({("t", 0): 1}) == (ErrorCode.UNKNOWN_MEMBER_ID,)
    said(driver, "m", -1)
    assert driver.commit({("t", 0): 1}) == (ErrorCode.NONE,)
    assert driver.commit({("t", 0): 1}, "m", 1, version=9) == (ErrorCode.UNKNOWN_MEMBER_ID,)


def test_a_full_group_takes_nobody_by_either_protocol() -> None:
    driver = driver_of(GroupConfig(consumer_group_size_max=1))
    said(driver, "m", 0, topics="t")
    assert said(driver, "n", 0, topics="t") == "answer GROUP_MAX_SIZE_REACHED"
    join(driver, ["a"], {"topics": "t", "v": "3"})
    assert driver.answers["a"].error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    assert said(driver, "m", 0, topics="t").startswith("answer epoch=1"), "who is in stays in"


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_what_a_fenced_member_commits_is_refused(protocol: str) -> None:
    driver = driver_of(GroupConfig(initial_rebalance_delay_ms=0))
    if protocol == "consumer":
        said(driver, "m", 0, topics="t")
        member_id = "m"
    else:
        member_id = driver.admit("a", version=3)
        driver.sync("a", member_id, 1, {member_id: b""})
    assert driver.commit({("t", 0): 1}, member_id, 1, version=9) == (ErrorCode.NONE,)
    driver.advance(60_000)
    assert driver.commit({("t", 0): 2}, member_id, 1, version=9) == (ErrorCode.UNKNOWN_MEMBER_ID,)
    assert driver.committed() == {("t", 0): 1}
