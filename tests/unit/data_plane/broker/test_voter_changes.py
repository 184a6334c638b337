"""Who is to vote: three, on different nodes while nodes allow, never with a forgotten directory."""

from dataclasses import replace
from uuid import UUID

from data_plane.broker.voter_changes import next_change
from data_plane.metadata.image import ImageDelta, MetadataImage
from data_plane.raft.view import QuorumView, ReplicaView
from data_plane.raft.voters import Voter, VoterKey
from tests.unit.data_plane.metadata.worlds import broker


def image(nodes: dict[int, str], directories: dict[int, int] | None = None) -> MetadataImage:
    delta = ImageDelta(MetadataImage())
    for number, node_id in nodes.items():
        directory = UUID(int=(directories or {}).get(number, number + 1))
        delta.replay(replace(broker(number), node_id=node_id, directory_id=directory))
    return delta.publish(offset=1, term=1)


def replica(number: int, *, directory: int | None = None, caught_up_ms: int = 10) -> ReplicaView:
    key = VoterKey(number, UUID(int=number + 1 if directory is None else directory))
    return ReplicaView(key, 9, 10, caught_up_ms, f"host:{number}")


def view(voters: list[ReplicaView], observers: list[ReplicaView]) -> QuorumView:
    return QuorumView(0, 1, 9, tuple(voters), tuple(observers))


ONE_NODE = {0: "a", 1: "a", 2: "a", 3: "a"}


def added(change: object) -> int | None:
    return change.key.id if isinstance(change, Voter) else None


def test_one_voter_becomes_three_and_stays_three() -> None:
    known = image(ONE_NODE)
    assert added(next_change(view([replica(0)], [replica(1), replica(2)]), known)) == 1
    assert added(next_change(view([replica(0), replica(1)], [replica(2)]), known)) == 2
    three = [replica(0), replica(1), replica(2)]
    assert next_change(view(three, [replica(3)]), known) is None


def test_one_voter_does_not_become_two() -> None:
    assert next_change(view([replica(0)], [replica(1)]), image(ONE_NODE)) is None


def test_who_is_behind_or_not_registered_does_not_vote() -> None:
    lagging = replica(1, caught_up_ms=60_000)
    never = replica(2, caught_up_ms=-1)
    stranger = replica(7)
    found = next_change(view([replica(0), replica(3)], [lagging, never, stranger]), image(ONE_NODE))
    assert found is None


def test_nodes_without_a_voter_come_first() -> None:
    known = image({0: "a", 1: "a", 2: "b", 3: "c"})
    observers = [replica(1), replica(2), replica(3)]
    assert added(next_change(view([replica(0)], observers), known)) == 2
    observers = [replica(1), replica(3)]
    assert added(next_change(view([replica(0), replica(2)], observers), known)) == 3


def test_a_voter_beside_another_one_makes_room_for_a_node_without_any() -> None:
    """Not the leader, not while a voter is missing, and not for a node that has one."""
    known = image({0: "a", 1: "a", 2: "b", 3: "c", 4: "b"})
    three = [replica(0), replica(1), replica(2)]
    assert next_change(view(three, [replica(4)]), known) is None
    assert next_change(view(three, [replica(3, caught_up_ms=-1)]), known) is None
    missing = [replica(0), replica(1), replica(2, caught_up_ms=9_000)]
    assert next_change(view(missing, [replica(3)]), known) is None
    assert next_change(view(three, [replica(3)]), known) == replica(1).key
    left = [replica(0), replica(2)]
    assert added(next_change(view(left, [replica(1), replica(3)]), known)) == 3
    spread = [replica(0), replica(2), replica(3)]
    assert next_change(view(spread, [replica(1), replica(4)]), known) is None


def test_a_voter_whose_directory_is_lost_goes_and_its_successor_comes() -> None:
    known = image(ONE_NODE, directories={1: 99})
    three = [replica(0), replica(1), replica(2)]
    back = replica(1, directory=99)
    assert next_change(view(three, [back]), known) == replica(1).key
    assert added(next_change(view([replica(0), replica(2)], [back]), known)) == 1
