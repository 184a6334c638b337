"""ElectLeaders: who is elected, and in which words nobody is."""

import dataclasses

import pytest

from data_plane.metadata.decision import Decision
from data_plane.metadata.elections import decide_elect_leaders
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.leadership import NO_LEADER
from data_plane.metadata.records import PartitionRecord
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.elect_leaders import (
    PREFERRED,
    UNCLEAN,
    ElectLeadersRequestTopic,
)
from tests.unit.data_plane.metadata.worlds import (
    after,
    broker,
    cluster,
    scope_of,
    topic,
    with_topics,
)


def image_with(*, is_fenced: bool = False, **changes: object) -> MetadataImage:
    """Topic "flights" with one partition on brokers 1 and 2, changed as told."""
    image = with_topics(cluster(broker(1), broker(2)), topic("flights", 1, 2))
    (row,) = image.topics["flights"].partitions
    whole = {"replicas": (1, 2), "isr": (1, 2), "leader": 1, **changes}
    record = dataclasses.replace(row, **whole)  # type: ignore[arg-type]  # made up by the test
    return after(image, Decision(None, [record, broker(1, is_fenced=is_fenced)]))


ASKED = [ElectLeadersRequestTopic("flights", [0])]


@pytest.mark.semantics("79a")
@pytest.mark.parametrize(
    ("election_type", "changes", "code"),
    [
        (PREFERRED, {}, ErrorCode.ELECTION_NOT_NEEDED),
        (PREFERRED, {"leader": 2, "isr": (2,)}, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE),
        (PREFERRED, {"leader": 2, "is_fenced": True}, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE),
        (UNCLEAN, {}, ErrorCode.ELECTION_NOT_NEEDED),
        (
            UNCLEAN,
            {"replicas": (1,), "leader": NO_LEADER, "isr": (), "elr": (1,), "is_fenced": True},
            ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
        ),
    ],
)
def test_nobody_is_elected(election_type: int, changes: dict[str, object], code: int) -> None:
    image = image_with(**changes)  # type: ignore[arg-type]  # made up by the test
    decision = decide_elect_leaders(scope_of(image), ASKED, election_type)
    assert [row.error_code for row in decision.response[0].partition_result] == [code]
    assert not decision.records


@pytest.mark.semantics("78a")
@pytest.mark.parametrize(
    ("election_type", "changes", "leader"),
    [
        (PREFERRED, {"leader": 2}, 1),
        (UNCLEAN, {"leader": NO_LEADER, "isr": (), "elr": (2,)}, 2),
        (UNCLEAN, {"leader": NO_LEADER, "isr": (2,)}, 2),
    ],
)
def test_a_leader_is_elected_in_a_new_epoch(
    election_type: int, changes: dict[str, object], leader: int
) -> None:
    image = image_with(**changes)  # type: ignore[arg-type]  # made up by the test
    before = image.topics["flights"].partitions[0]
    decision = decide_elect_leaders(scope_of(image), None, election_type)
    assert [row.error_code for row in decision.response[0].partition_result] == [0]
    (record,) = decision.records
    assert isinstance(record, PartitionRecord)
    assert record.leader == leader
    assert record.leader_epoch == before.leader_epoch + 1
    assert record.partition_epoch == before.partition_epoch + 1


def test_all_partitions_list_only_those_that_needed_an_election() -> None:
    decision = decide_elect_leaders(scope_of(image_with()), None, PREFERRED)
    assert (decision.response, decision.records) == ([], [])


def test_unknown_partitions_and_repetitions() -> None:
    asked = [
        ElectLeadersRequestTopic("flights", [0, 7, 7]),
        ElectLeadersRequestTopic("nothing", [0]),
    ]
    decision = decide_elect_leaders(scope_of(image_with(leader=2)), [*asked, *ASKED], PREFERRED)
    assert [
        (row.topic, [(each.partition_id, each.error_code) for each in row.partition_result])
        for row in decision.response
    ] == [
        ("flights", [(0, 0), (7, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]),
        ("nothing", [(0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]),
    ]
    assert len(decision.records) == 1
