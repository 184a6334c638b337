"""The pure voter: what it says to persist, when it calls something committed, how it resigns."""

import pytest

from data_plane.raft.entries import NO_OP, EntryBatch, HardState, Ready
from data_plane.raft.node import NotLeader, RaftNode


def carry_out(node: RaftNode) -> list[bytes]:
    """Play a driver whose disk never fails; return the entries applied."""
    applied: list[bytes] = []
    while (ready := node.ready()) is not None:
        node.advance(ready)
        applied += [entry for batch in ready.committed for entry in batch.entries]
    return applied


def leader(log: list[EntryBatch] | None = None) -> RaftNode:
    node = RaftNode(1, HardState(), log or [])
    node.campaign()
    carry_out(node)
    return node


def taken(node: RaftNode) -> Ready:
    ready = node.ready()
    assert ready is not None
    return ready


def test_campaign_asks_to_persist_term_vote_and_an_opening_entry() -> None:
    node = RaftNode(1, HardState(4, 2), [])
    node.campaign()
    ready = taken(node)
    assert ready.hard_state == HardState(5, 1)
    assert ready.batches == (EntryBatch(0, 5, (NO_OP,)),)
    assert not ready.committed


def test_nothing_may_be_proposed_before_the_own_term_has_a_committed_entry() -> None:
    node = RaftNode(1, HardState(), [])
    with pytest.raises(NotLeader):
        node.propose([b"a"])
    node.campaign()
    with pytest.raises(NotLeader):
        node.propose([b"a"])
    carry_out(node)
    assert node.propose([b"a"]) == 1


def test_a_proposal_is_committed_only_after_its_ready_was_carried_out() -> None:
    node = leader()
    offset = node.propose([b"a", b"b"])
    assert node.committed_offset < offset
    ready = taken(node)
    assert node.committed_offset < offset
    assert not ready.committed
    node.advance(ready)
    assert node.committed_offset == offset
    assert taken(node).committed == (EntryBatch(1, 1, (b"a", b"b")),)


def test_proposals_during_a_sync_share_the_next_one() -> None:
    node = leader()
    node.propose([b"a"])
    first = taken(node)
    node.propose([b"b"])
    node.propose([b"c"])
    assert node.ready() is None
    node.advance(first)
    applied = taken(node)
    assert not applied.must_persist, "what is committed waits for no other sync"
    assert [batch.entries for batch in applied.committed] == [(b"a",)]
    node.advance(applied)
    assert [batch.entries for batch in taken(node).batches] == [(b"b",), (b"c",)]


def test_entries_of_earlier_terms_are_committed_behind_one_of_the_own() -> None:
    node = RaftNode(1, HardState(3, 1), [EntryBatch(0, 2, (b"x",)), EntryBatch(1, 3, (b"y",))])
    assert node.ready() is None, "what is on disk is not committed by being there"
    node.campaign()
    assert carry_out(node) == [b"x", b"y", NO_OP]
    assert node.term == 4


def test_resigning_forgets_what_was_not_persisted_and_keeps_what_was_committed() -> None:
    node = leader()
    node.propose([b"a"])
    assert carry_out(node) == [b"a"]
    node.propose([b"b"])
    failed = taken(node)  # "b" is being written, which fails ...
    assert failed.batches
    node.propose([b"c"])  # ... while "c" waits.
    node.resign()
    with pytest.raises(NotLeader):
        node.propose([b"d"])
    node.campaign()
    assert carry_out(node) == [NO_OP]
    assert node.propose([b"d"]) == 3


def test_what_is_committed_and_not_yet_applied_outlives_a_resignation() -> None:
    node = leader()
    node.propose([b"a"])
    node.advance(taken(node))
    node.resign()
    assert carry_out(node) == [b"a"]
