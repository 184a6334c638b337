"""Faults that come together as chance alone would bring them once in a thousand worlds.

Each aims at one promise: what a vote, a sync, a lease or a directory stands for.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from random import Random
from typing import Final
from uuid import UUID

from data_plane.protocol.errors import NotController
from data_plane.raft.node import NotLeader
from data_plane.raft.voters import ChangeRefused, Voter
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
    "figure eight": "figure_eight",
    "leader lost, slow disks": "leader_lost_slow_disks",
}
# Those that came later: each is drawn by itself, so that the seeds of all others stay as they were.
LATER_AIMS: Final[Mapping[str, str]] = {
    "reply of an earlier term": "reply_of_earlier_term",
    "voters of before": "voters_of_before",
    "clock wrong by half": "clock_wrong_by_half",
}
LATER_SHARE = 0.02  # of all worlds, for each of them
# By the aim: how many vote at first, where it is not three.
VOTERS: Final[Mapping[str, int]] = {"reply of an earlier term": 5}
# By the aim: the rare paths that it needs.
RARE: Final[Mapping[str, tuple[str, ...]]] = {"figure eight": ("small appends of the quorum",)}


def drawn_aim(seed: int) -> str:
    """What a world is aimed at; empty: at nothing, as most are."""
    rng = Random(f"{seed} aim")
    if rng.random() < AIMED_SHARE:
        return rng.choice(list(AIMS))
    later = (one for one in LATER_AIMS if Random(f"{seed} {one}").random() < LATER_SHARE)
    return next(later, "")


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
        """Those that any world may have."""
        return [self.of(aim) for aim in AIMS]

    def of(self, aim: str) -> Act:
        found: Act = getattr(self, {**AIMS, **LATER_AIMS}[aim])
        return found

    @property
    def contesting(self) -> list[Act]:
        """Those that tell somebody to stand whatever lease there is."""
        return [
            self.contest,
            self.blow_over_slow_disks,
            self.vote_lost,
            self.shorter_log_stands,
            self.figure_eight,
        ]

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
        """A leader reaches nobody but those that do not vote, and would have them vote."""
        leader, others = self._leader(), self._other_voters()
        if leader is None or len(others) != 2:
            return
        self._count("leader among observers")
        numbers = {one.number for one in others}
        rest = {one.number for one in self._nodes} - numbers
        self._network.cut_both_ways(numbers, rest)
        if self._rng.random() < 0.5:
            self._add(leader, [n for n in self._nodes if n.number in rest - {leader.number}])
        self._schedule.after(self._rng.choice([2_000, 4_000]), self._network.cut.clear)

    def _add(self, leader: QuorumNode, others: list[QuorumNode]) -> None:
        """All that it is let, at once: the second has to wait for the first."""
        host = leader.host
        if host is None:
            return
        for one in others:
            with suppress(NotLeader, ChangeRefused, NotController):
                host.controller.add_voter(Voter(one.key, f"host:{one.number}"))
        host.pump()

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

    def figure_eight(self) -> None:
        """An entry of an earlier term is on a majority, and is replaced (Raft paper, figure 8).

        The first leader has it alone; the second, of a later term, another one in its place, also
        alone; the first leads again, and brings the entry to the third, and no more than that.
        """
        first, others = self._leader(), self._other_voters()
        if first is None or len(others) != 2 or self._schedule.now_ms < self._slow_until_ms:
            return
        self._count("figure eight")
        self._slow_until_ms = self._schedule.now_ms + 6_000
        second, third = others
        base = first.end
        rest = {one.number for one in self._nodes}
        self._isolate(first)

        def replace() -> None:
            if first.end <= base:
                self._network.cut.clear()
                return
            first.die(is_power_lost=False)
            self._network.cut.clear()
            self._network.weather = Weather(delay_ms_mean=10)
            second.campaign()
            self._until(lambda: second.leads, lead_again, 400)

        def lead_again() -> None:
            self._isolate(second)
            self._start_again(first)
            first.campaign()
            self._until(lambda: third.end > base and first.leads, overwrite, 600)

        def overwrite() -> None:
            self._network.cut_one_way({first.number}, rest - {first.number})
            self._schedule.after(100, stand)

        def stand() -> None:
            self._network.clears_up()
            self._network.cut.clear()
            self._isolate(first)
            second.campaign()

        self._schedule.after(self._rng.choice([200, 400]), replace)
        self._schedule.after(3_000, self._calm_down)

    def _calm_down(self) -> None:
        self._network.clears_up()
        self._network.cut.clear()
        for node in self._nodes:
            self._start_again(node)

    def leader_lost_slow_disks(self) -> None:
        """A leader is lost that knows more to be committed than others; they are slow to go on."""
        leader, others = self._leader(), self._other_voters()
        if leader is None or len(others) != 2 or self._schedule.now_ms < self._slow_until_ms:
            return
        self._count("leader lost, slow disks")
        self._slow_until_ms = self._schedule.now_ms + 5_000

        def lose() -> None:
            for one in others:
                one.disk.sync_ms_mean = 100.0
            self._isolate(leader)  # What it was telling of that is lost as well.
            leader.die(is_power_lost=False)
            self._schedule.after(100, self._network.cut.clear)
            self._start_later(leader, 2_500)
            self._schedule.after(4_000, hurry)

        def hurry() -> None:
            for one in others:
                one.disk.sync_ms_mean = 1.0

        self._until(
            lambda: leader.committed > max(one.committed for one in others) >= 0, lose, 1_000
        )

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
                self._network.clears_up()
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

    def clock_wrong_by_half(self) -> None:
        """The leader's clock is slow, or that of one who may stand is fast; then it is cut off."""
        leader, others = self._leader(), self._other_voters()
        if leader is None or not others:
            return
        self._count("clock wrong by half, then a cut")
        wrong = self._rng.choice([leader, self._rng.choice(others)])
        wrong.clock.goes_wrong(1 / 1.5 if wrong is leader else 1.5)
        self._schedule.after(self._rng.randrange(50, 500), partial(self._isolate, leader))
        self._schedule.after(4_000, self._network.cut.clear)
        self._schedule.after(4_000, wrong.clock.is_put_right)

    # --- what they are made of -----------------------------------------------------------------

    def _until(self, is_so: Callable[[], bool], act: Act, ms_max: int) -> None:
        """Act as soon as something is so; not at all if it never is."""

        def look(left: int) -> None:
            if is_so():
                act()
            elif left:
                self._schedule.after(1, partial(look, left - 1))

        look(ms_max)

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
