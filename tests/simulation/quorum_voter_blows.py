"""Blows at who counts: a reply of an earlier term, and a majority of voters that were before.

Each takes more than three voters; with three, what would be counted wrongly happens to be true.
"""

from tests.simulation.quorum_blows import Act, Blows
from tests.simulation.quorum_node import QuorumNode

HELD_MS = 50  # for which a way is clogged at a time, so that it can be opened when it is right


class VoterBlows(Blows):
    """All blows, these among them."""

    @property
    def contesting(self) -> list[Act]:
        return [*super().contesting, self.reply_of_earlier_term]

    def reply_of_earlier_term(self) -> None:
        """What one follower had of a leader is told to the same leader of a later term.

        Two of five have what the first term wrote last, so that another may lead between, and has
        it cut from who leads again. That one brings its new entry to one voter; with the one whose
        reply comes now, which has other entries in its place, it would be a majority.
        """
        first, others = self._leader(), self._other_voters()
        if first is None or len(others) != 4 or self._schedule.now_ms < self._slow_until_ms:
            return
        self._count("reply of an earlier term")
        self._slow_until_ms = self._schedule.now_ms + 6_000
        late, second, third, fourth = self._rng.sample(others, 4)
        base, term = first.end, first.node_term
        is_held = True
        rest = {one.number for one in (second, third, fourth)}
        self._network.cut_both_ways({first.number, late.number}, rest)

        def hold() -> None:
            if is_held:
                self._network.clog([(late.number, first.number)], HELD_MS)
                self._schedule.after(HELD_MS - 1, hold)

        def let_go() -> None:
            nonlocal is_held
            is_held = False

        def lead_between() -> None:
            self._network.cut_one_way({first.number}, {late.number})
            second.campaign()
            self._until(lambda: second.leads and second.node_term > term, replace, 400)

        def replace() -> None:
            self._network.cut.clear()
            self._cut_off(late, but_to=first)
            reached = late.end
            self._until(lambda: -1 < first.end < reached - 1, lead_again, 300)

        def lead_again() -> None:
            again = first.node_term
            first.campaign()
            self._until(lambda: first.leads and first.node_term > again, tell_one, 300)

        def tell_one() -> None:
            self._network.cut_both_ways({first.number}, {second.number, fourth.number})
            self._until(lambda: third.end >= first.end, let_go, 200)
            self._schedule.after(200, stand)

        def stand() -> None:
            self._network.cut.clear()
            for one in (first, third):
                self._isolate(one)
            second.campaign()

        hold()
        self._until(lambda: late.end > base + 4, lead_between, 1_000)
        self._schedule.after(3_000, let_go)
        self._schedule.after(3_500, self._calm_down)

    def _cut_off(self, node: QuorumNode, *, but_to: QuorumNode) -> None:
        """It hears nothing any more, and is heard by one."""
        others = {one.number for one in self._nodes} - {node.number}
        self._network.cut_one_way(others, {node.number})
        self._network.cut_one_way({node.number}, others - {but_to.number})

    def voters_of_before(self) -> None:
        """Two of the first three voters are cut off behind two changes, and one starts again.

        It does not know how much is committed, and has both changes in its log: those two are no
        majority of the five, whatever is committed of that.
        """
        leader, others = self._leader(), self._other_voters()
        if leader is None or self._schedule.now_ms < self._slow_until_ms:
            return
        if len(others) == 4 and leader.node is not None:
            self._cut_off_voters_of_before(leader)
        elif len(others) < 4:
            self._add(leader, [n for n in self._nodes if n.node and not n.node.is_voter])

    def _cut_off_voters_of_before(self, leader: QuorumNode) -> None:
        before = [one for one in self._nodes if one.initial.voters and one is not leader]
        if len(before) < 2:
            return
        self._count("voters of before")
        self._slow_until_ms = self._schedule.now_ms + 7_000
        cut_off = self._rng.sample(before, 2)
        numbers = {one.number for one in cut_off}
        self._network.cut_both_ways(numbers, {one.number for one in self._nodes} - numbers)
        back = max(cut_off, key=lambda one: one.end)
        back.die(is_power_lost=False)
        self._start_again(back)
        self._schedule.after(5_000, self._network.cut.clear)
