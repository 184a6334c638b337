"""OffsetCommit, OffsetFetch and OffsetDelete at every version."""

from typing import Any
from uuid import UUID

import pytest

from data_plane.broker.handlers import offset_commit
from data_plane.protocol.errors import CoordinatorLoadInProgress, ErrorCode
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from data_plane.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from data_plane.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestGroupTopic,
    OffsetFetchRequestTopic,
)
from data_plane.replication.waiting import Parked
from data_plane.security.acls import AclOperation, ResourceType
from tests.unit.data_plane.broker.handlers.admin_broker import ALICE
from tests.unit.data_plane.broker.handlers.group_broker import GroupStandIn

NONE = ErrorCode.NONE
Rows = dict[tuple[str, int], tuple[Any, ...]]


def committing(
    offsets: dict[tuple[str, int], int], group: str = "g", metadata: str | None = "note"
) -> OffsetCommitRequest:
    topics = [
        OffsetCommitRequestTopic(
            name=topic,
            partitions=[
                OffsetCommitRequestPartition(at, offset, 3, committed_metadata=metadata)
                for (name, at), offset in offsets.items()
                if name == topic
            ],
        )
        for topic in dict.fromkeys(name for name, _ in offsets)
    ]
    return OffsetCommitRequest(group_id=group, topics=topics)


def codes(answer: Any) -> dict[tuple[str, int], int]:
    return {
        (topic.name, row.partition_index): row.error_code
        for topic in answer.topics
        for row in topic.partitions
    }


def fetched(topics: Any) -> Rows:
    return {
        (topic.name, row.partition_index): (row.committed_offset, row.metadata, row.error_code)
        for topic in topics
        for row in topic.partitions
    }


def fetching(version: int, wanted: dict[str, list[int]] | None, *groups: str) -> OffsetFetchRequest:
    """The same question in the shape of each version."""
    if version < 8:
        topics = (
            None
            if wanted is None
            else [OffsetFetchRequestTopic(name, partitions) for name, partitions in wanted.items()]
        )
        return OffsetFetchRequest(group_id=groups[0], topics=topics)
    asked = (
        None
        if wanted is None
        else [
            OffsetFetchRequestGroupTopic(name=name, partition_indexes=partitions)
            for name, partitions in wanted.items()
        ]
    )
    return OffsetFetchRequest(
        groups=[OffsetFetchRequestGroup(group, topics=asked) for group in groups]
    )


def rows_of(answer: Any, version: int) -> Rows:
    return fetched(answer.topics if version < 8 else answer.groups[0].topics)


@pytest.mark.semantics("60b")
@pytest.mark.parametrize("version", range(2, 10))
def test_a_commit_comes_back_as_it_was(version: int) -> None:
    broker = GroupStandIn()
    answer = broker.send(committing({("t", 0): 5, ("u", 1): 6}), version)
    assert codes(answer) == {("t", 0): NONE, ("u", 1): NONE}
    rows = rows_of(broker.send(fetching(9, None, "g"), 9), 9)
    assert rows == {("t", 0): (5, "note", NONE), ("u", 1): (6, "note", NONE)}


@pytest.mark.semantics("61a")
@pytest.mark.parametrize("version", range(1, 10))
def test_fetch_at_every_version(version: int) -> None:
    """No commit is -1 without an error; a null metadata comes back empty."""
    broker = GroupStandIn()
    broker.send(committing({("t", 0): 5}, metadata=None), 8)
    answer = broker.send(fetching(version, {"t": [0, 1], "gone": [7]}, "g"), version)
    nothing = (-1, "", NONE)
    expected = {("t", 0): (5, "", NONE), ("t", 1): nothing, ("gone", 7): nothing}
    assert rows_of(answer, version) == expected


@pytest.mark.semantics("10c")
@pytest.mark.parametrize("version", range(2, 10))
def test_null_topics_mean_all_and_empty_ones_none(version: int) -> None:
    broker = GroupStandIn()
    broker.send(committing({("t", 0): 5}), 8)
    assert rows_of(broker.send(fetching(version, None, "g"), version), version) != {}
    assert rows_of(broker.send(fetching(version, {}, "g"), version), version) == {}


@pytest.mark.semantics("61b")
@pytest.mark.parametrize("version", range(1, 10))
def test_a_group_that_cannot_be_read_is_an_error_and_never_an_empty_answer(version: int) -> None:
    """Otherwise consumers start over from the beginning (kafka-python#2428)."""
    broker = GroupStandIn()
    broker.unavailable["g"] = CoordinatorLoadInProgress()
    answer = broker.send(fetching(version, {"t": [0]}, "g"), version)
    loading = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    if version == 1:
        assert fetched(answer.topics) == {("t", 0): (-1, "", loading)}
    elif version < 8:
        assert answer.error_code == loading
    else:
        assert answer.groups[0].error_code == loading


def test_one_unreadable_group_leaves_the_others_readable() -> None:
    broker = GroupStandIn()
    broker.send(committing({("t", 0): 5}), 8)
    broker.unavailable["h"] = CoordinatorLoadInProgress()
    readable, loading = broker.send(fetching(8, None, "g", "h"), 8).groups
    assert fetched(readable.topics) == {("t", 0): (5, "note", NONE)}
    assert (loading.group_id, loading.error_code) == ("h", ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)


def test_groups_of_several_shards_are_answered_together_when_all_are_committed() -> None:
    broker = GroupStandIn()
    broker.is_holding = True
    parked = broker.send(fetching(8, None, "g", "h", "i"), 8)
    assert isinstance(parked, Parked)
    broker.release()
    answer = broker.answer_of(parked, 9, 8)
    assert [group.group_id for group in answer.groups] == ["g", "h", "i"]


def test_a_shard_lost_meanwhile_is_its_groups_error_alone() -> None:
    broker = GroupStandIn()
    broker.is_holding = True
    parked = broker.send(fetching(8, None, "g"), 8)
    broker.release(is_kept=False)
    (group,) = broker.answer_of(parked, 9, 8).groups
    assert group.error_code == ErrorCode.NOT_COORDINATOR


def test_topics_that_may_not_be_seen() -> None:
    """Named ones are refused, whether they exist or not; in a list of all they are left out."""
    broker = GroupStandIn()
    broker.send(committing({("t", 0): 5, ("u", 0): 6}), 8)
    broker.allow(AclOperation.DESCRIBE, "g", kind=ResourceType.GROUP)
    broker.allow(AclOperation.DESCRIBE, "t")
    named = broker.send(fetching(8, {"t": [0], "u": [0], "x": [0]}, "g"), 8, principal=ALICE)
    refused = (-1, "", ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    assert rows_of(named, 8) == {
        ("t", 0): (5, "note", NONE),
        ("u", 0): refused,
        ("x", 0): refused,
    }
    everything = broker.send(fetching(8, None, "g"), 8, principal=ALICE)
    assert rows_of(everything, 8) == {("t", 0): (5, "note", NONE)}
    (hidden,) = broker.send(fetching(8, None, "h"), 8, principal=ALICE).groups
    assert hidden.error_code == ErrorCode.GROUP_AUTHORIZATION_FAILED


def test_commit_refuses_row_by_row() -> None:
    broker = GroupStandIn()
    broker.allow(AclOperation.READ, "g", kind=ResourceType.GROUP)
    broker.allow(AclOperation.READ, "t")
    asked = {("t", 0): 1, ("t", 9): 1, ("gone", 0): 1, ("u", 0): 1, ("t", 1): 2}
    answer = codes(broker.send(committing(asked), 8, principal=ALICE))
    assert answer == {
        ("t", 0): NONE,
        ("t", 9): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ("gone", 0): ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        ("u", 0): ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        ("t", 1): NONE,
    }
    assert set(broker.group_shard("g").committed("g")) == {("t", 0), ("t", 1)}
    refused = broker.send(committing({("t", 0): 1}, group="h"), 8, principal=ALICE)
    assert codes(refused) == {("t", 0): ErrorCode.GROUP_AUTHORIZATION_FAILED}


@pytest.mark.semantics("62c")
@pytest.mark.parametrize(("version", "expires"), [(2, True), (4, True), (5, False)])
def test_only_old_clients_choose_the_retention(version: int, expires: bool) -> None:
    broker = GroupStandIn()
    request = committing({("t", 0): 1})
    chosen = OffsetCommitRequest(request.group_id, retention_time_ms=500, topics=request.topics)
    broker.send(chosen, version, now_ms=1_000)
    (record,) = broker.group_shard("g").committed("g").values()
    assert record.expire_ms == (1_500 if expires else -1)


def test_an_unreachable_coordinator_is_told_for_each_row_of_a_commit() -> None:
    """OffsetCommit has no error at its top."""
    answer = offset_commit.error_response(committing({("t", 0): 1}), CoordinatorLoadInProgress())
    assert codes(answer) == {("t", 0): ErrorCode.COORDINATOR_LOAD_IN_PROGRESS}


def test_delete_offsets() -> None:
    broker = GroupStandIn()
    broker.send(committing({("t", 0): 1, ("u", 0): 2}), 8)
    topics = [
        OffsetDeleteRequestTopic(name, [OffsetDeleteRequestPartition(0)]) for name in ("t", "gone")
    ]
    answer = broker.send(OffsetDeleteRequest("g", topics), 0)
    assert answer.error_code == NONE
    assert codes(answer) == {
        ("t", 0): NONE,
        ("gone", 0): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
    assert set(broker.group_shard("g").committed("g")) == {("u", 0)}
    unknown = broker.send(OffsetDeleteRequest("ghost", topics), 0)
    assert unknown.error_code == ErrorCode.GROUP_ID_NOT_FOUND


def test_delete_offsets_needs_delete_on_the_group_and_read_on_the_topic() -> None:
    broker = GroupStandIn()
    broker.send(committing({("t", 0): 1}), 8)
    topics = [OffsetDeleteRequestTopic("t", [OffsetDeleteRequestPartition(0)])]
    answer = broker.send(OffsetDeleteRequest("g", topics), 0, principal=ALICE)
    assert answer.error_code == ErrorCode.GROUP_AUTHORIZATION_FAILED
    broker.allow(AclOperation.DELETE, "g", kind=ResourceType.GROUP)
    answer = broker.send(OffsetDeleteRequest("g", topics), 0, principal=ALICE)
    assert codes(answer) == {("t", 0): ErrorCode.TOPIC_AUTHORIZATION_FAILED}


def test_topics_by_id_are_committed_and_fetched() -> None:
    """v10: an id that nobody knows is told so, and what is gone cannot be told."""
    broker = GroupStandIn()
    known, unknown = broker.image.topics["t"].topic_id, UUID(int=77)
    rows = [OffsetCommitRequestPartition(0, 5, 3), OffsetCommitRequestPartition(9, 5, 3)]
    commit = OffsetCommitRequest(
        "g",
        topics=[
            OffsetCommitRequestTopic(topic_id=known, partitions=rows),
            OffsetCommitRequestTopic(topic_id=unknown, partitions=rows[:1]),
        ],
    )
    answer = broker.send(commit, 10)
    assert [
        (topic.topic_id, [row.error_code for row in topic.partitions]) for topic in answer.topics
    ] == [
        (known, [NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]),
        (unknown, [ErrorCode.UNKNOWN_TOPIC_ID]),
    ]
    wanted = [
        OffsetFetchRequestGroupTopic(topic_id=known, partition_indexes=[0, 1]),
        OffsetFetchRequestGroupTopic(topic_id=unknown, partition_indexes=[0]),
    ]
    fetch = OffsetFetchRequest(groups=[OffsetFetchRequestGroup("g", topics=wanted)])
    (group,) = broker.send(fetch, 10).groups
    told = [
        (topic.topic_id, [(row.committed_offset, row.error_code) for row in topic.partitions])
        for topic in group.topics
    ]
    assert told == [
        (known, [(5, NONE), (-1, NONE)]),
        (unknown, [(-1, ErrorCode.UNKNOWN_TOPIC_ID)]),
    ]
    everything = OffsetFetchRequest(groups=[OffsetFetchRequestGroup("g", topics=None)])
    (group,) = broker.send(everything, 10).groups
    assert [(topic.topic_id, len(topic.partitions)) for topic in group.topics] == [(known, 1)]
