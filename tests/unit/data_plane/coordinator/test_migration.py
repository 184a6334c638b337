"""Which groups go over to the other protocol, and what stands against it."""

import random
from typing import Any

import pytest

from data_plane.coordinator.classic_sync import Leaving
from data_plane.coordinator.consumer_protocol import (
    INT16,
    Assignment,
    Subscription,
    TopicPartitions,
    read_assignment,
    read_subscription,
    read_topics,
    write_assignment,
)
from data_plane.coordinator.group_config import GroupConfig, MigrationPolicy
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.schema import DecodeError, encode
from tests.unit.data_plane.coordinator.driving import GROUP, Driver
from tests.unit.data_plane.coordinator.transcripts import beat, join, topics

SUBSCRIPTION = INT16.pack(1) + encode(Subscription(["t"]), 1)


def driver_of(**settings: Any) -> Driver:
    config = GroupConfig(initial_rebalance_delay_ms=0, **settings)
    driver = Driver(config, rng=random.Random(1))
    topics(driver, [], {"t": "2"})
    return driver


def classic_group(
    driver: Driver,
    *,
    protocol_type: str = "consumer",
    protocol: str = "range",
    metadata: bytes = SUBSCRIPTION,
    assignment: bytes = b"",
) -> str:
    """A stable group of one member; its id."""
    options: dict[str, Any] = {"protocols": [(protocol, metadata)], "protocol_type": protocol_type}
    member_id = driver.admit("a", version=3, **options)
    driver.sync("a", member_id, 1, {member_id: assignment})
    return member_id


def upgrade(driver: Driver) -> str:
    return beat(driver, ["m"], {"epoch": "0", "topics": "t"})


def with_user_data(data: bytes) -> bytes:
    return INT16.pack(1) + encode(Assignment([TopicPartitions("t", [0])], data), 1)


@pytest.mark.parametrize(
    ("settings", "group"),
    [
        ({"migration_policy": MigrationPolicy.DISABLED}, {}),
        ({"migration_policy": MigrationPolicy.DOWNGRADE}, {}),
        ({"consumer_group_size_max": 0}, {}),
        ({}, {"protocol_type": "connect"}),
        ({}, {"metadata": b"\0\1broken"}),
        ({}, {"assignment": b"\0\1broken"}),
        ({}, {"protocol": "own", "assignment": with_user_data(b"told by its assignor")}),
    ],
    ids=["disabled", "only down", "too large", "connect", "subscription", "assignment", "assignor"],
)
def test_a_group_stays_classic_and_lives_on(settings: Any, group: Any) -> None:
    driver = driver_of(**settings)
    member_id = classic_group(driver, **group)
    written = len(driver.log)
    assert upgrade(driver) == "answer GROUP_ID_NOT_FOUND"
    assert len(driver.log) == written
    assert driver.heartbeat(member_id, 1) is ErrorCode.NONE


@pytest.mark.semantics("64i")
@pytest.mark.parametrize("policy", [MigrationPolicy.UPGRADE, MigrationPolicy.BIDIRECTIONAL])
def test_a_group_is_upgraded_where_it_may_be(policy: MigrationPolicy) -> None:
    driver = driver_of(migration_policy=policy)
    classic_group(driver, assignment=with_user_data(b"librdkafka's"))
    assert upgrade(driver) == "answer epoch=2 owns t-1", "t-0 is still another's"


@pytest.mark.parametrize(
    ("policy", "is_classic"),
    [(MigrationPolicy.UPGRADE, False), (MigrationPolicy.BIDIRECTIONAL, True)],
)
def test_a_group_turns_back_where_it_may(policy: MigrationPolicy, is_classic: bool) -> None:
    driver = driver_of(migration_policy=policy)
    classic_group(driver)
    upgrade(driver)
    beat(driver, ["m"], {"epoch": "-1"})
    assert (GROUP in driver.shard.groups) is is_classic
    assert (GROUP in driver.shard.consumer_groups) is not is_classic


@pytest.mark.semantics("64i")
@pytest.mark.parametrize("gathers_before", [False, True], ids=["at once", "gathering"])
def test_who_is_left_gathers_though_the_coordinator_dies_meanwhile(gathers_before: bool) -> None:
    """Else the rest of the group would keep its part of the partitions, and nobody the others."""
    driver = driver_of()
    member_id = classic_group(driver, assignment=with_user_data(b""))
    upgrade(driver)
    beat(driver, ["m"], {"epoch": "-1"})
    if gathers_before:
        driver.advance(driver.now_ms)
    driver.restart()
    driver.advance(driver.now_ms)
    group = driver.shard.groups[GROUP]
    assert driver.heartbeat(member_id, group.generation) is ErrorCode.REBALANCE_IN_PROGRESS
    driver.join("again", member_id, version=3, protocols=[("range", SUBSCRIPTION)])
    assert driver.answers["again"].leader == member_id
    driver.sync("again", member_id, group.generation, {member_id: with_user_data(b"")})
    driver.restart()
    driver.advance(driver.now_ms)
    assert driver.heartbeat(member_id, group.generation) is ErrorCode.NONE, "once is enough"


def test_a_member_whose_session_ends_takes_the_group_back_with_it() -> None:
    driver = driver_of(consumer_session_timeout_ms=1_000)
    member_id = classic_group(driver)
    upgrade(driver)
    driver.advance(1_001)
    assert GROUP in driver.shard.groups
    assert driver.heartbeat(member_id, 1) is ErrorCode.ILLEGAL_GENERATION, "it had not caught up"


def test_whoever_is_parked_while_the_group_goes_over_is_told_to_join_again() -> None:
    driver = driver_of()
    first = driver.admit("a", version=3, protocols=[("range", SUBSCRIPTION)])
    assert driver.join("b", version=3, protocols=[("range", SUBSCRIPTION)]) is None
    upgrade(driver)
    assert driver.answers["b"].error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert not driver.parked
    assert driver.heartbeat(first, 1) is ErrorCode.REBALANCE_IN_PROGRESS


def test_classic_members_of_a_mixed_group_are_fenced_like_any_others() -> None:
    driver = driver_of()
    upgrade(driver)
    join(driver, ["a"], {"topics": "t", "v": "5", "instance": "i"})
    member_id = driver.answers["a"].member_id

    def heartbeat(member: str, instance: str | None = None) -> ErrorCode:
        return driver.heartbeat(member, 2, instance)

    assert heartbeat(member_id, "i") is ErrorCode.NONE
    assert heartbeat("other", "i") is ErrorCode.FENCED_INSTANCE_ID
    assert heartbeat("other", "j") is ErrorCode.UNKNOWN_MEMBER_ID
    assert heartbeat("other") is ErrorCode.UNKNOWN_MEMBER_ID
    sync = driver.sync("s", member_id, 2, instance="i", protocol_type="connect")
    assert sync is not None
    assert sync.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    join(driver, ["b"], {"topics": "t", "v": "5", "instance": "i", "member": "stranger"})
    assert driver.answers["b"].error_code == ErrorCode.FENCED_INSTANCE_ID
    leaving = [Leaving("", "i"), Leaving("", "i"), Leaving("m"), Leaving("stranger")]
    codes = driver.carry_out(driver.shard.decide_leave_group(GROUP, leaving, now_ms=0))
    unknown = ErrorCode.UNKNOWN_MEMBER_ID
    assert codes == (ErrorCode.NONE, unknown, unknown, unknown)
    request = HeartbeatRequest("nobody", 1, "m", None)
    assert driver.shard.decide_heartbeat(request, now_ms=0).response.error_code == unknown


def test_a_classic_member_that_does_not_join_or_sync_in_time_is_dropped() -> None:
    driver = driver_of(consumer_session_timeout_ms=10_000_000)
    upgrade(driver)
    driver.join(
        "a",
        "k",
        version=3,
        protocols=[("range", SUBSCRIPTION)],
        session_ms=600_000,
        rebalance_ms=1_000,
    )
    group = driver.shard.consumer_groups.get(GROUP)
    assert group is not None
    assert "k" in group.members
    driver.advance(1_001)
    assert "k" not in group.members, "it did not sync"
    driver.join(
        "a",
        "k",
        version=3,
        protocols=[("range", SUBSCRIPTION)],
        session_ms=600_000,
        rebalance_ms=1_000,
    )
    driver.sync("s", "k", group.epoch)
    topics(driver, [], {"t": "4"})
    beat(driver, ["m"], {"epoch": "1"})
    assert driver.heartbeat("k", group.current_of("k").epoch) is ErrorCode.REBALANCE_IN_PROGRESS
    driver.advance(2_003)
    assert "k" not in group.members, "it did not join again"


@pytest.mark.parametrize("version", range(4))
def test_consumers_bytes_are_read_in_every_version(version: int) -> None:
    wants = Subscription(
        ("a", "b"),
        b"mine",
        (TopicPartitions("a", (0, 2)),) if version >= 1 else (),
        7 if version >= 2 else -1,
        "rack" if version >= 3 else None,
    )
    data = INT16.pack(version) + encode(wants, version)
    assert read_subscription(data) == wants
    assert list(read_topics(data)) == ["a", "b"]
    newer = INT16.pack(9) + encode(wants, 3) + b"appended"
    assert read_subscription(newer).topics == ("a", "b")
    written = write_assignment({"b": {1, 0}, "a": {2}}, data)
    assert written[:2] == INT16.pack(version)
    rows = read_assignment(written).assigned_partitions
    assert [(row.topic, list(row.partitions)) for row in rows] == [("a", [2]), ("b", [0, 1])]


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xff\0\0\0\0", b"\0\1\0\0\0\5"])
def test_broken_bytes_of_consumers_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_subscription(data)
