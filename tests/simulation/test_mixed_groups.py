"""What is held against a group of both protocols, by its log and by what its members own."""

from uuid import UUID

import pytest

from data_plane.coordinator import consumer_group_records, group_records
from data_plane.coordinator.consumer_group_records import (
    ConsumerGroupRecord,
    Current,
    GroupEpoch,
    Kind,
    Removed,
)
from data_plane.coordinator.group_records import (
    GroupChanged,
    GroupRecord,
    GroupRemoved,
    OffsetCommitted,
)
from tests.simulation.cluster_world import ClusterWorld
from tests.simulation.commits import Commits
from tests.simulation.groups import Book
from tests.simulation.invariants import Violation
from tests.simulation.mixed_groups import AWAY, MixedMember, RestlessMember, left_out, settle

TOPIC_ID = UUID(int=7, version=4)
CLASSIC = GroupChanged("g", "consumer", 4, "range", "m", -1, ())
GONE = [GroupRemoved("g")]
OWN = frozenset({(TOPIC_ID, 0)})


def noted(commits: Commits, *records: GroupRecord | ConsumerGroupRecord) -> None:
    for record in records:
        if isinstance(record, ConsumerGroupRecord):
            commits._take_record(*consumer_group_records.encode_record(record))
        else:
            commits._take_record(*group_records.encode_record(record))


def offset(number: int) -> OffsetCommitted:
    return OffsetCommitted("g", "t", 0, number, -1, "", 0)


def test_a_group_may_change_its_kind_behind_what_takes_it_back() -> None:
    commits = Commits()
    noted(commits, CLASSIC, *GONE, GroupEpoch("g", 4), Removed(Kind.GROUP, "g"), CLASSIC)
    assert commits.life("g") == 0


@pytest.mark.parametrize("records", [[CLASSIC, GroupEpoch("g", 5)], [GroupEpoch("g", 5), CLASSIC]])
def test_a_group_is_not_of_both_kinds(records: list[GroupRecord | ConsumerGroupRecord]) -> None:
    with pytest.raises(Violation, match="of both kinds"):
        noted(Commits(), *records)


def test_a_member_commits_in_its_epoch_or_what_was_its_own_all_the_time() -> None:
    """KIP-1251: it had the partition when it was in the epoch that it commits in."""
    commits = Commits()
    noted(
        commits,
        GroupEpoch("g", 2),
        Current("g", "m", 2, 1, assigned=OWN),
        Current("g", "m", 3, 2, assigned=OWN),
    )
    for number, epoch in [(1, 3), (2, 2)]:
        commits.tries("g", 0, number, ("m", epoch))
        noted(commits, offset(number))


@pytest.mark.parametrize(
    ("member_id", "epoch"), [("m", 1), ("m", 4), ("other", 3)], ids=["old", "ahead", "unknown"]
)
def test_nobody_else_commits(member_id: str, epoch: int) -> None:
    commits = Commits()
    noted(commits, GroupEpoch("g", 3), Current("g", "m", 3, 2, assigned=OWN))
    commits.tries("g", 0, 9, (member_id, epoch))
    with pytest.raises(Violation, match="is committed"):
        noted(commits, offset(9))


def test_who_has_given_a_partition_up_does_not_commit_it_in_an_epoch_before() -> None:
    commits = Commits()
    noted(commits, GroupEpoch("g", 2), Current("g", "m", 2, 1, assigned=OWN))
    noted(commits, Current("g", "m", 3, 2), Current("g", "m", 4, 3, assigned=OWN))
    commits.tries("g", 0, 9, ("m", 2))
    with pytest.raises(Violation, match="is committed"):
        noted(commits, offset(9))


def test_generations_that_begin_anew_are_another_life() -> None:
    commits = Commits()
    noted(commits, CLASSIC, *GONE, GroupEpoch("g", 1))
    assert commits.life("g") == 1
    book = Book("g", 1)
    book.owns("m", 1, [0], life=0)
    book.owns("other", 1, [0], life=1)
    with pytest.raises(Violation, match="'s and "):
        book.owns("third", 1, [0], life=1)


def members_of(world: ClusterWorld, count: int) -> list[MixedMember]:
    return [RestlessMember(world._who(80 + at), world.book) for at in range(count)]


def test_what_nobody_owns_or_reads_is_left_out() -> None:
    world = ClusterWorld(0)
    book = world.book = Book("g", 3)
    one, other = members_of(world, 2)
    one._owned, other._owned = [0], [1]
    book.read_to = [5, 4, 5]
    assert left_out(book, [one, other], [5, 5, 5]) == [1, 2]
    assert left_out(book, [one, other], [5, 4, 5]) == [2]


def test_somebody_is_there_once_the_group_is_to_settle() -> None:
    members = members_of(ClusterWorld(0), 2)
    for one in members:
        one.wish = AWAY
    settle(members)
    assert [one.wish == AWAY for one in members] == [False, True]
    assert not any(one.is_restless for one in members)
