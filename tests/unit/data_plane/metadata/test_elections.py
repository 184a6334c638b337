"""ElectLeaders: who is elected, and in which words nobody is."""

import dataclasses

import pytest

from data_plane.metadata.brokers import decide_fence, decide_unfence
from data_plane.metadata.commit_rules import Judges
from data_plane.metadata.decision import Decision
from data_plane.metadata.elections import decide_balance, decide_elect_leaders
from data_plane.metadata.image import MetadataImage
from data_plane.metadata.leadership import NO_LEADER, elected_by_ends
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


@pytest.mark.parametrize(
    ("ends", "leader"),
    [
        ({}, 1),
        ({2: (0, 0)}, 2),
        ({1: (3, 9), 2: (4, 5)}, 2),
        ({1: (4, 6), 2: (4, 5)}, 1),
        ({1: (4, 5), 2: (4, 5)}, 1),
        ({1: (3, 9), 3: (9, 9)}, 1),
    ],
)
def test_an_unclean_election_loses_as_little_as_is_known(
    ends: dict[int, tuple[int, int]], leader: int
) -> None:
    """Whoever is alive and reaches furthest leads; a later leader epoch goes before more records.

    The first of the replicas may be the one whose directory was lost, or put back.
    """
    image = image_with(leader=NO_LEADER, isr=())
    decision = decide_elect_leaders(scope_of(image), ASKED, UNCLEAN, lambda _: ends)
    (record,) = decision.records
    assert isinstance(record, PartitionRecord)
    assert (record.leader, record.is_recovering) == (leader, True)


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


def test_leadership_goes_back_to_preferred_replicas_that_are_in_sync() -> None:
    image = with_topics(cluster(broker(1), broker(2)), topic("a", 6, 2))
    rows = image.topics["a"].partitions
    moved = [dataclasses.replace(row, leader=row.replicas[1]) for row in rows]
    moved[0] = dataclasses.replace(moved[0], isr=moved[0].replicas[1:])
    image = after(image, Decision(None, moved))
    image = after(image, decide_balance(scope_of(image)))
    leaders = [row.leader == row.replicas[0] for row in image.topics["a"].partitions]
    assert leaders == [False, *[True] * 5]
    assert not decide_balance(scope_of(image)).records, "what can lead leads"


@pytest.mark.semantics("75b")
def test_a_topic_that_allows_to_lose_records_is_led_by_whoever_is_there() -> None:
    asked = topic("a", 1, 2, unclean_leader_election_enable="true")
    image = with_topics(cluster(broker(1), broker(2)), asked)
    row = image.topics["a"].partitions[0]
    alone = dataclasses.replace(row, isr=row.replicas[:1], leader=row.replicas[0])
    image = after(image, Decision(None, [alone]))
    fenced = after(image, decide_fence(scope_of(image), {row.replicas[0]}))
    now = fenced.topics["a"].partitions[0]
    assert (now.leader, tuple(now.isr)) == (row.replicas[1], row.replicas[1:])
    assert now.is_recovering


@pytest.mark.semantics("75c")
def test_other_topics_wait_for_a_replica_that_holds_everything() -> None:
    image = with_topics(cluster(broker(1), broker(2)), topic("a", 1, 2))
    row = image.topics["a"].partitions[0]
    first, second = row.replicas
    alone = dataclasses.replace(row, isr=(first,), leader=first)
    image = after(image, Decision(None, [alone]))
    image = after(image, decide_fence(scope_of(image), {first}))
    now = image.topics["a"].partitions[0]
    assert (now.leader, tuple(now.isr), tuple(now.elr)) == (NO_LEADER, (), (first,))
    back = after(image, decide_unfence(scope_of(image), image.brokers[first]))
    again = back.topics["a"].partitions[0]
    assert (again.leader, tuple(again.isr), again.is_recovering) == (first, (first,), False)
    assert second not in again.isr


def test_of_an_empty_e_the_furthest_log_leads_once_all_are_back() -> None:
    """durability.md 3: greatest (last epoch, end), never the last known leader."""
    image = with_topics(cluster(broker(1), broker(2), broker(3)), topic("a", 1, 3))
    lost = dataclasses.replace(
        image.topics["a"].partitions[0], isr=(), leader=NO_LEADER, last_eligible=(1, 2, 3)
    )
    judge = Judges(scope_of(image)).of("a")
    ends = {1: (4, 10), 2: (5, 3)}
    assert elected_by_ends(lost, judge, ends) is lost, "one has not said anything yet"
    found = elected_by_ends(lost, judge, {**ends, 3: (5, 7)})
    assert (found.leader, tuple(found.isr), found.is_recovering) == (3, (3,), True)
    assert found.leader_epoch == lost.leader_epoch + 1
    fenced = Judges(scope_of(image), inactive={2}).of("a")
    assert elected_by_ends(lost, fenced, {**ends, 3: (5, 7)}) is lost, "one is not back"
