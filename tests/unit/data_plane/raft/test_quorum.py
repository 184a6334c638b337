"""Three pure voters whose messages are carried by hand: the paths of a healthy quorum."""

from dataclasses import replace
from random import Random
from uuid import UUID

import pytest

from data_plane.raft.codec import decode_message, encode_message
from data_plane.raft.entries import HardState, Ready
from data_plane.raft.messages import AppendReply, Message, SnapshotChunk
from data_plane.raft.node import RaftNode
from data_plane.raft.snapshot import Snapshot, encode_snapshot
from data_plane.raft.voters import ChangeRefused, Voter, VoterKey, VoterSet, encode_voters


def key(number: int) -> VoterKey:
    return VoterKey(number, UUID(int=100 + number))


def voters_of(*numbers: int) -> VoterSet:
    return VoterSet(tuple(Voter(key(number), f"host:{number}") for number in numbers))


class Trio:
    """Nodes with perfect disks and a network that delivers at once, except to who is `cut`."""

    def __init__(self, *numbers: int, voters: VoterSet | None = None) -> None:
        self.now_ms = 1_000
        self.applied: dict[int, list[bytes]] = {}
        self.nodes: dict[int, RaftNode] = {}
        self.cut: set[int] = set()
        self.paces: dict[int, tuple[int, float]] = {}  # of wrong clocks, and since when
        self.slow_disks: set[int] = set()
        self.held: dict[int, Ready] = {}
        self.voters = voters_of(*numbers) if voters is None else voters
        for number in numbers:
            self.add(number, self.voters)

    def add(self, number: int, voters: VoterSet) -> RaftNode:
        node = RaftNode(
            number,
            HardState(),
            [],
            snapshot_offset=0 if len(voters) else -1,
            snapshot_bytes=len(self.bootstrap()),
            voters=voters,
            directory_id=key(number).directory_id,
            cluster_id="c",
            address=f"host:{number}",
            rng=Random(number),
        )
        self.nodes[number] = node
        self.applied[number] = []
        return node

    def bootstrap(self) -> bytes:
        return encode_snapshot(Snapshot(0, 0, (encode_voters(self.voters),)))

    def settle(self) -> None:
        """Carry out everything until nobody has anything to do."""
        is_busy = True
        while is_busy:
            is_busy = False
            for number, node in self.nodes.items():
                while (ready := self.ready_of(number)) is not None:
                    is_busy = True
                    node.advance(ready)
                    for batch in ready.committed:
                        self.applied[number] += [one for one in batch.entries if one]
                    for message in ready.messages:
                        self.deliver(number, message)

    def ready_of(self, number: int) -> Ready | None:
        """What a driver does next; a slow disk holds what persists until it is fast again."""
        is_slow = number in self.slow_disks
        if number in self.held and not is_slow:
            return self.held.pop(number)
        ready = self.nodes[number].ready()
        if ready is not None and ready.must_persist and is_slow:
            self.held[number] = ready
            return self.nodes[number].ready()
        return ready

    def deliver(self, source: int, message: Message) -> None:
        if isinstance(message, SnapshotChunk):
            message = replace(message, data=self.bootstrap()[message.position :])
        targets = [message.target.id] if message.target.id >= 0 else list(self.nodes)
        for target in targets:
            if target in self.nodes and not {source, target} & self.cut and target != source:
                frame = decode_message(encode_message(message))
                self.nodes[target].step(frame, self.clock_ms(target))

    def clock_ms(self, number: int) -> int:
        since_ms, pace = self.paces.get(number, (self.now_ms, 1.0))
        return since_ms + int((self.now_ms - since_ms) * pace)

    def run(self, ms: int, step_ms: int = 50) -> None:
        for _ in range(0, ms, step_ms):
            self.now_ms += step_ms
            for number, node in self.nodes.items():
                if number not in self.cut:
                    node.tick(self.clock_ms(number))
            self.settle()

    @property
    def leader(self) -> RaftNode:
        leaders = [n for i, n in self.nodes.items() if n.is_leader and i not in self.cut]
        assert len(leaders) == 1, [
            f"{n.me.id}: {n.role} term {n.term}" for n in self.nodes.values()
        ]
        return leaders[0]


def test_three_voters_elect_one_and_agree() -> None:
    trio = Trio(0, 1, 2)
    trio.run(3_000)
    leader = trio.leader
    assert {node.leader_id for node in trio.nodes.values()} == {leader.voter_id}
    leader.propose([b"a", b"b"])
    leader.propose([b"c"])
    trio.settle()
    trio.run(200)
    assert all(applied == [b"a", b"b", b"c"] for applied in trio.applied.values())


def test_the_others_go_on_without_their_leader_which_comes_back_as_a_follower() -> None:
    trio = Trio(0, 1, 2)
    trio.run(3_000)
    old = trio.leader
    trio.cut.add(old.voter_id)
    old.propose([b"lost"])
    trio.run(4_000)
    new = trio.leader
    assert new is not old
    assert new.term > old.term
    new.propose([b"kept"])
    trio.settle()
    trio.cut.clear()
    trio.run(1_000)
    assert trio.leader is new, "its lease was respected, its term not raised"
    assert all(applied == [b"kept"] for applied in trio.applied.values())


def test_a_cut_off_leader_steps_down_and_a_cut_off_voter_does_not_raise_its_term() -> None:
    trio = Trio(0, 1, 2)
    trio.run(3_000)
    leader = trio.leader
    term = leader.term
    other = next(node for node in trio.nodes.values() if node is not leader)
    trio.cut.add(other.voter_id)
    for _ in range(200):
        trio.now_ms += 50
        other.tick(trio.now_ms)
        while (ready := other.ready()) is not None:
            other.advance(ready)
        leader.tick(trio.now_ms)
        trio.settle()
    assert other.term == term
    trio.cut = {node.voter_id for node in trio.nodes.values() if node is not leader}
    for _ in range(40):
        trio.now_ms += 50
        leader.tick(trio.now_ms)
    assert not leader.is_leader


def test_two_synced_voters_commit_while_the_leader_still_syncs() -> None:
    trio = Trio(0, 1, 2)
    trio.run(3_000)
    leader = trio.leader
    trio.slow_disks.add(leader.voter_id)
    offset = leader.propose([b"x"])
    trio.settle()
    assert leader.stable_offset < offset == leader.committed_offset
    assert trio.applied[leader.voter_id] == [b"x"]


def test_a_heartbeat_is_answered_while_a_sync_is_under_way() -> None:
    trio = Trio(0, 1, 2)
    trio.run(3_000)
    leader = trio.leader
    for number in trio.nodes:
        trio.slow_disks.add(number)
    leader.propose([b"x"])
    trio.run(5_000)
    assert trio.leader is leader
    assert leader.has_lease(trio.now_ms)
    assert leader.committed_offset < leader.end_offset - 1
    trio.slow_disks.clear()
    trio.run(200)
    assert all(applied == [b"x"] for applied in trio.applied.values())


@pytest.mark.parametrize("pace", [1.5, 1 / 1.5])
@pytest.mark.parametrize("wrong", range(3))
def test_a_lease_is_over_before_another_leads_though_a_clock_is_wrong_by_half(
    wrong: int, pace: float
) -> None:
    """A slow clock of the leader's, or a fast one of who waits for it, must not let both answer."""
    trio = Trio(0, 1, 2)
    trio.run(3_000)
    before = trio.leader
    trio.paces[wrong] = trio.now_ms, pace
    for node in trio.nodes.values():
        node.timing = replace(node.timing, election_ms_max=node.timing.election_ms_min)
    trio.run(300)  # Who waits for it does so no longer than it has to.
    trio.cut.add(before.me.id)
    while not any(one.is_leader for one in trio.nodes.values() if one is not before):
        trio.run(10, step_ms=10)
    assert not before.has_lease(trio.clock_ms(before.me.id))


def test_one_voter_becomes_three_online_and_one_directory_is_replaced() -> None:
    trio = Trio(0)
    trio.run(2_500)
    leader = trio.leader
    leader.propose([b"a"])
    for number in (1, 2):
        trio.add(number, VoterSet())
    trio.run(1_000)
    assert trio.applied[2] == [b"a"]
    leader.add_voter(Voter(key(1), "host:1"))
    with pytest.raises(ChangeRefused):
        leader.add_voter(Voter(key(2), "host:2"))
    trio.run(500)
    leader.add_voter(Voter(key(2), "host:2"))
    trio.run(500)
    assert all(node.voters == voters_of(0, 1, 2) for node in trio.nodes.values())
    trio.cut.add(0)
    trio.run(4_000)
    trio.leader.propose([b"b"])
    trio.settle()
    assert trio.leader.committed_offset == trio.leader.end_offset - 1


def test_leadership_is_handed_over_at_once() -> None:
    trio = Trio(0, 1, 2)
    trio.run(3_000)
    old = trio.leader
    assert old.transfer(trio.now_ms)
    trio.run(100)
    assert trio.leader is not old
    assert trio.leader.term == old.term


def voter_with(hard_state: HardState, *voters: int) -> RaftNode:
    """Voter 0 as its process starts again."""
    return RaftNode(
        0,
        hard_state,
        [],
        snapshot_offset=0,
        voters=voters_of(*voters),
        directory_id=key(0).directory_id,
        rng=Random(0),
    )


def test_an_only_voter_that_voted_for_itself_waits_for_nobody_after_its_restart() -> None:
    own = HardState(3, 0, key(0).directory_id)
    node = voter_with(own, 0)
    node.tick(1_000)
    assert node.next_due_ms <= 1_000 + node.timing.retry_ms_max
    node.tick(node.next_due_ms)
    assert (node.leads is not None, node.term) == (True, 4)


@pytest.mark.parametrize(
    ("hard_state", "voters"),
    [
        (HardState(3), (0,)),  # It may have answered a leader that made it the only voter.
        (HardState(3, 0, UUID(int=7)), (0,)),  # the vote of the directory before
        (HardState(3, 0, key(0).directory_id), (0, 1)),
    ],
    ids=["no vote", "another directory", "another voter"],
)
def test_who_may_have_answered_a_leader_lets_its_lease_end(
    hard_state: HardState, voters: tuple[int, ...]
) -> None:
    node = voter_with(hard_state, *voters)
    node.tick(1_000)
    assert node.next_due_ms >= 1_000 + node.timing.election_ms_min


def test_a_snapshot_on_its_way_is_given_up_where_the_log_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer that was late when the next snapshot had begun: that one is replaced unread."""
    trio = Trio(0, 1, 2)
    trio.run(3_000)
    leader, late, deliver = trio.leader, list[Message](), trio.deliver
    is_slow = True

    def deliver_late(source: int, message: Message) -> None:
        if is_slow and source == 3 and isinstance(message, AppendReply):
            late.append(message)
        elif not isinstance(message, SnapshotChunk) or message.last_offset == 0:
            deliver(source, message)

    monkeypatch.setattr(trio, "deliver", deliver_late)
    trio.add(3, VoterSet())
    trio.run(500)
    assert late, "it has installed the first snapshot"
    leader.propose([b"a"])
    trio.settle()
    leader.compact(leader.committed_offset, leader.term, 100)
    trio.run(500)
    is_slow = False
    for message in late:
        leader.step(message, trio.now_ms)
    trio.run(2_000)
    assert trio.applied[3] == [b"a"]
