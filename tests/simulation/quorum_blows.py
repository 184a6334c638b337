"""Faults that come together as chance alone would bring them once in a thousand worlds.

Each aims at one promise: what a vote, a sync, a lease or a directory stands for.
"""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Final
from uuid import UUID

from tests.simulation.clock import Schedule
from tests.simulation.network import SimulatedNetwork, Weather
from tests.simulation.quorum_node import QuorumNode

Act = Callable[[], None]

AIMED_SHARE = 0.3  # of all worlds have one of these alone
# By the name of the world's aim: the method.
AIMS: Final[Mapping[str, str]] = {
    "contest": "contest",
    "blow to leader": "blow_to_leader",
    "clocks and cut": "clocks_and_cut",
    "slow disks": "blow_over_slow_disks",
    "lost directory votes": "lost_directory_votes",
    "vote lost": "vote_lost",
    "acknowledgement lost": "acknowledgement_lost",
    "leader among observers": "leader_among_observers",
    "shorter log stands": "shorter_log_stands",
}


def drawn_aim(seed: int) -> str:
    """What a world is aimed at; empty: at nothing, as most are."""
    rng = Random(f"{seed} aim")
    return rng.choice(list(AIMS)) if rng.random() < AIMED_SHARE else ""


class Blows:
    """may_lose_directory: three voters with their directories are there, and stay."""

    def __init__(
        self,
        schedule: Schedule,
        network: SimulatedNetwork[int],
        nodes: list[QuorumNode],
        rng: Random,
        *,
        count: Callable[[str], None],
        may_lose_directory: Callable[[], bool],
        new_directory: Callable[[], UUID],
    ) -> None:
        self._schedule = schedule
        self._network = network
        self._nodes = nodes
        self._rng = rng
        self._count = count
        self._may_lose_directory = may_lose_directory
        self._new_directory = new_directory
        self._slow_until_ms = 0

    @property
    def all(self) -> list[Act]:
        return [self.of(aim) for aim in AIMS]

    def of(self, aim: str) -> Act:
        found: Act = getattr(self, AIMS[aim])
        return found

    @property
    def contesting(self) -> list[Act]:
        """Those that tell somebody to stand whatever lease there is."""
        return [self.contest, self.blow_over_slow_disks, self.vote_lost, self.shorter_log_stands]

    def contest(self) -> None:
        """Two stand in the same term; one of the others loses power with its vote just given."""
        self._count("contested election")
        awake = [n for n in self._nodes if n.node is not None and n.node.is_voter]
        if len(awake) < 3:
            return
        first, second, *others = self._rng.sample(awake, len(awake))
        is_repeating = self._rng.random() < 0.5
        self._network.weather = Weather(
            delay_ms_mean=self._rng.choice([5, 40]), duplicate_rate=0.5 * is_repeating
        )
        first.campaign()
        self._schedule.after(self._rng.randrange(20), second.campaign)
        for voter in others:
            if self._rng.random() < 0.7:
                self._schedule.after(self._rng.randrange(60), voter.die)
                self._schedule.after(61, partial(self._start_again, voter))

    def vote_lost(self) -> None:
        """A voter loses power with its vote just given, and is asked again in the same term.

        The two that ask do not hear of each other, and who was elected does not reach the voter.
        """
        second, others = self._leader(), self._other_voters()
        if second is None or len(others) != 2 or self._schedule.now_ms < self._slow_until_ms:
            return
        first, voter = self._rng.sample(others, 2)
        if first.node is None or first.node.term != second.node_term:
            return
        self._count("vote lost")
        self._slow_until_ms = self._schedule.now_ms + 3_000
        self._network.cut_both_ways({first.number}, {second.number})
        first.campaign()
        term = first.node_term

        def look(left: int) -> None:
            if voter.has_voted(term):
                self._network.cut_one_way({first.number}, {voter.number})
                self._schedule.after(self._rng.choice([0, 5]), lose)
            elif left:
                self._schedule.after(1, partial(look, left - 1))

        def lose() -> None:
            voter.die()
            self._start_again(voter)
            if second.node_term < term:
                second.campaign()

        look(100)
        self._schedule.after(1_500, self._network.cut.clear)

    def blow_to_leader(self) -> None:
        """A leader whose disk is slow loses power, while somebody else is cut off."""
        self._count("blow to the leader")
        leader, others = self._leader(), self._other_voters()
        if leader is None or len(others) != 2:
            return
        leader.disk.sync_ms_mean = self._rng.choice([400.0, 3_000.0])
        cut_off, other = self._rng.sample(others, 2)

        def blow() -> None:
            self._network.cut.clear()
            self._isolate(other)
            leader.die()
            leader.disk.sync_ms_mean = 1.0
            self._start_later(leader, 10, 300, 2_500)

        self._isolate(cut_off)
        self._schedule.after(self._rng.choice([100, 400, 900]), blow)
        self._schedule.after(6_000, self._network.cut.clear)

    def acknowledgement_lost(self) -> None:
        """The one follower that the leader reaches has a slow disk, and loses power.

        With the other, which has heard nothing, it elects who lacks what it had not synced.
        """
        leader, others = self._leader(), self._other_voters()
        if leader is None or len(others) != 2 or self._schedule.now_ms < self._slow_until_ms:
            return
        self._count("acknowledgement lost")
        self._slow_until_ms = self._schedule.now_ms + 8_000
        slow, cut_off = self._rng.sample(others, 2)
        slow.disk.sync_ms_mean = 5_000.0
        self._isolate(cut_off)

        def lose() -> None:
            self._network.cut.clear()
            slow.die()
            slow.disk.sync_ms_mean = 1.0
            self._start_again(slow)
            self._isolate(leader)

        self._schedule.after(self._rng.choice([300, 600]), lose)
        self._schedule.after(6_000, self._network.cut.clear)

    def leader_among_observers(self) -> None:
        """A leader reaches nobody but those that do not vote."""
        leader, others = self._leader(), self._other_voters()
        if leader is None or len(others) != 2:
            return
        self._count("leader among observers")
        numbers = {one.number for one in others}
        rest = {one.number for one in self._nodes} - numbers
        self._network.cut_both_ways(numbers, rest)
        self._schedule.after(self._rng.choice([2_000, 4_000]), self._network.cut.clear)

    def shorter_log_stands(self) -> None:
        """A follower that lags stands for election; who would elect it has more."""
        leader, others = self._leader(), self._other_voters()
        if leader is None or len(others) != 2 or self._schedule.now_ms < self._slow_until_ms:
            return
        self._count("shorter log stands")
        self._slow_until_ms = self._schedule.now_ms + 3_000
        short = self._rng.choice(others)
        self._isolate(short)

        def stand() -> None:
            self._network.cut.clear()
            self._isolate(leader)
            short.campaign()

        self._schedule.after(self._rng.choice([200, 600]), stand)
        self._schedule.after(2_500, self._network.cut.clear)

    def blow_over_slow_disks(self) -> None:
        """A follower still syncs what the next leader has replaced; then it loses power.

        The first leader loses what it had sent, so that the third voter may lead. What that one
        commits rests on the follower, which must not count its earlier sync for it.
        """
        leader, others = self._leader(), self._other_voters()
        if leader is None or len(others) != 2 or self._schedule.now_ms < self._slow_until_ms:
            return
        self._count("blow over slow disks")
        self._slow_until_ms = self._schedule.now_ms + 10_000
        slow, third = self._rng.sample(others, 2)
        slow.disk.sync_ms_mean = leader.disk.sync_ms_mean = 3_000.0
        rest = {n.number for n in self._nodes} - {leader.number, slow.number}
        self._network.cut_both_ways({leader.number, slow.number}, rest)
        self._schedule.after(300, lambda: self._replace(leader, slow, third))

    def _replace(self, leader: QuorumNode, slow: QuorumNode, third: QuorumNode) -> None:
        """The third is elected by the leader of before, which hears nothing more of it."""
        leader.disk._in_flight.clear()  # Its disk had not even begun.
        leader.die()
        leader.disk.sync_ms_mean = 1.0
        self._start_again(leader)
        self._network.cut.clear()
        self._isolate(slow)
        self._network.weather = Weather(delay_ms_mean=20)
        third.campaign()

        def look(left: int) -> None:
            is_elected = third.node is not None and third.node.leads is not None
            if is_elected or not left:
                self._network.weather = Weather()
                self._network.cut.clear()
                self._isolate(leader)
            else:
                self._schedule.after(1, partial(look, left - 1))

        def lose() -> None:
            slow.die()
            slow.disk.sync_ms_mean = 1.0
            self._network.cut.clear()
            self._isolate(third)
            self._start_again(slow)

        look(300)
        self._schedule.after(self._rng.choice([1_500, 2_500, 4_000]), lose)
        self._schedule.after(9_000, self._network.cut.clear)

    def lost_directory_votes(self) -> None:
        """One voter lags, one comes with an empty directory, and who has everything is away.

        The first two are a majority by their ids, and would elect who lacks what was committed.
        """
        leader, others = self._leader(), self._other_voters()
        if leader is None or len(others) != 2 or not self._may_lose_directory():
            return
        self._count("lost directory is asked to vote")
        behind, lost = self._rng.sample(others, 2)
        self._isolate(behind)

        def blow() -> None:
            self._network.cut.clear()
            if leader.host is None or not self._may_lose_directory():
                return
            leader.die()
            lost.loses_directory(self._new_directory())
            self._start_again(lost)
            self._start_later(leader, 3_000, 6_000)

        self._schedule.after(self._rng.choice([400, 900]), blow)

    def clocks_and_cut(self) -> None:
        """Wall clocks are set, then the leader is cut off: a lease must not notice the first."""
        self._count("clocks set, then a cut")
        leader = self._leader()
        if leader is None:
            return
        if self._rng.random() < 0.5:
            leader.clock.wall_offset_ms -= 5_000
        else:
            for node in self._nodes:
                node.clock.wall_offset_ms += 5_000 * (node is not leader)
        self._schedule.after(50, lambda: self._isolate(leader))
        self._schedule.after(4_000, self._network.cut.clear)

    # --- what they are made of -----------------------------------------------------------------

    def _leader(self) -> QuorumNode | None:
        return next((n for n in self._nodes if n.node is not None and n.node.is_leader), None)

    def _other_voters(self) -> list[QuorumNode]:
        return [n for n in self._nodes if n.node and n.node.is_voter and not n.node.is_leader]

    def _isolate(self, node: QuorumNode) -> None:
        one = {node.number}
        self._network.cut_both_ways(one, {n.number for n in self._nodes} - one)

    def _start_again(self, node: QuorumNode) -> None:
        if node.host is None:
            node.start()

    def _start_later(self, node: QuorumNode, *after_ms: int) -> None:
        self._schedule.after(self._rng.choice(after_ms), partial(self._start_again, node))
