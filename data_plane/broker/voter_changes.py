"""The active controller grows the voters to three, and replaces those whose directory is lost."""

from collections.abc import Sequence
from contextlib import suppress

from data_plane.metadata.controller import Controller
from data_plane.metadata.image import MetadataImage
from data_plane.raft.node import NotLeader
from data_plane.raft.view import QuorumView, ReplicaView, view_of
from data_plane.raft.voters import ChangeRefused, Voter, VoterKey

VOTERS_MAX = 3
LOOK_MS = 500
CAUGHT_UP_MS_MAX = 2_000  # an observer that had everything so recently will not hold commits up


class VoterChanges:
    """Looks now and then; makes one change at a time."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._due_ms = 0

    def tick(self, now_ms: int) -> None:
        if now_ms < self._due_ms or not self._controller.is_active:
            return
        self._due_ms = now_ms + LOOK_MS
        with suppress(NotLeader, ChangeRefused):  # Another time.
            change = next_change(view_of(self._controller.node), self._controller.image)
            if isinstance(change, Voter):
                self._controller.add_voter(change)
            elif change is not None:
                self._controller.remove_voter(change)


def next_change(view: QuorumView, image: MetadataImage) -> Voter | VoterKey | None:
    """Whom to add (a Voter) or to remove (a VoterKey); None: the voters are as they should be.

    A voter goes when its broker is registered with another directory, which has forgotten what the
    old one promised, or is registered no more. An observer comes in while there are fewer than
    three, those on nodes without a voter first; never as a second voter for long: two need both.
    Of two voters on one node one makes room as soon as a node without any has a candidate.
    """
    for voter in view.voters:
        registered = image.brokers.get(voter.key.id)
        is_replaced = registered is not None and registered.directory_id != voter.key.directory_id
        if is_replaced and voter.key.directory_id.int and len(view.voters) > 1:
            return voter.key
    ready = [one for one in view.observers if _may_vote(one, image)]
    if len(view.voters) >= VOTERS_MAX:
        return _crowded(view, ready, image)
    if len(view.voters) + len(ready) < VOTERS_MAX and len(view.voters) == 1:
        return None
    voting_nodes = {node_of(voter.key, image) for voter in view.voters}
    ready.sort(key=lambda one: (node_of(one.key, image) in voting_nodes, one.key))
    taken = {voter.key.id for voter in view.voters}
    chosen = next((one for one in ready if one.key.id not in taken), None)
    return None if chosen is None else Voter(chosen.key, chosen.address)


def _crowded(
    view: QuorumView, ready: Sequence[ReplicaView], image: MetadataImage
) -> VoterKey | None:
    """A voter beside another one on its node, whose place a broker on a node without voters takes.

    Never the leader, and only while all vote: until the other one has come there are two.
    """
    nodes = [node_of(voter.key, image) for voter in view.voters]
    is_whole = all(0 <= voter.caught_up_ms <= CAUGHT_UP_MS_MAX for voter in view.voters)
    if not is_whole or all(node_of(one.key, image) in nodes for one in ready):
        return None
    for voter, node in zip(view.voters, nodes, strict=True):
        if nodes.count(node) > 1 and voter.key.id != view.leader_id:
            return voter.key
    return None


def _may_vote(one: ReplicaView, image: MetadataImage) -> bool:
    registered = image.brokers.get(one.key.id)
    is_known = registered is not None and registered.directory_id == one.key.directory_id
    return is_known and bool(one.address) and 0 <= one.caught_up_ms <= CAUGHT_UP_MS_MAX


def node_of(key: VoterKey, image: MetadataImage) -> str:
    registered = image.brokers.get(key.id)
    return "" if registered is None else registered.node_id
