"""A classic consumer group: the machine behind JoinGroup and SyncGroup. Theory, then code.

A group turns a changing crowd of members into *generations*. In one generation everybody agrees
on who is a member and, through the leader (a member, chosen here, that computes the assignment on
its own), on who owns what. Every change of the crowd ends the generation and gathers a new one:

                      first member                 all rejoined, or time is up
        Empty ------------------> PreparingRebalance --------------------------> CompletingRebalance
          ^                            |   ^   ^                                      |      |
          |     nobody came back       |   |   |   a member joins, leaves or dies     |      |
          +----------------------------+   |   +--------------------------------------+      |
                                           |                                                 |
                                           +------------------ Stable <----------------------+
                                              joins, leaves, dies       the leader has synced

PreparingRebalance: JoinGroup requests are parked until every known member has sent one, or the
largest rebalance timeout has passed and those who did not are dropped. A group that was Empty
waits a fixed delay instead, prolonged while new members keep coming, so that ten consumers
starting together cost one rebalance and not ten. CompletingRebalance: everybody knows the
generation, SyncGroup requests are parked until the leader brings the assignment, and each gets its
own bytes. Whoever joined and never syncs is dropped after a rebalance timeout.

Three rules hold everything together.

1. **What is journaled.** A generation exists in the log from the moment its leader has synced
   (Stable) or when nobody is left (Empty): `restore` in classic_journal.py is the only code that
   enters those two states, both live and on load. The rest - who has joined so far, parked
   requests, deadlines, a generation not synced yet - is soft: after a restart members find the last
   journaled generation, their requests fail with ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID, and they
   join again.
2. **Every parked request is answered exactly once**, and a member has at most one of each kind; a
   second one takes the place of the first, which is told to try again.
3. **Waiting is not dying.** A member with a parked request waits for us, so its session stands
   still; only a brand-new member, which may never have learnt its id, has a long limit instead.

A member with a group instance id is static (KIP-345): it is not dropped for missing a rebalance,
only for a lost session, and a new process with the same instance id takes over its place, protocol
metadata and assignment under a new member id.

Sources: KIP-62, KIP-134, KIP-345, KIP-394, KIP-559, KIP-814; kafka-protocol.md 2, items 50-58.
"""

from collections.abc import Iterable

from data_plane.coordinator.classic_answers import (
    Outcome,
    answer_join,
    answer_syncs,
    join_response,
    refuse_parked,
)
from data_plane.coordinator.classic_journal import generation_record
from data_plane.coordinator.classic_member import GroupState, Member
from data_plane.coordinator.group_config import GroupConfig
from data_plane.protocol.errors import ErrorCode

RETRY_MS = 1_000  # a client may name a rebalance timeout of 0; asking again must not spin

S = GroupState
TRANSITIONS = {  # The whole automaton. Moves to Stable and Empty are made by a record (rule 1).
    S.EMPTY: {S.PREPARING_REBALANCE, S.DEAD},
    S.PREPARING_REBALANCE: {S.COMPLETING_REBALANCE, S.EMPTY, S.DEAD},
    S.COMPLETING_REBALANCE: {S.STABLE, S.PREPARING_REBALANCE, S.DEAD},
    S.STABLE: {S.PREPARING_REBALANCE, S.DEAD},
    S.DEAD: set(),
}


class IllegalTransition(Exception):
    """A bug here, never a client's fault."""


class ClassicGroup:
    """State of one group. Steps take `now_ms` and an `Outcome`, which they fill."""

    def __init__(self, group_id: str, config: GroupConfig) -> None:
        self.group_id = group_id
        self.config = config
        self.state = S.EMPTY
        self.since_ms = -1  # when it became Stable or Empty, Unix ms; -1: not known
        self.generation = 0
        self.protocol_type: str | None = None  # None: only offsets of simple consumers so far
        self.protocol_name: str | None = None
        self.leader_id: str | None = None  # None with members: they have not gathered yet
        self.members: dict[str, Member] = {}  # in order of joining
        self.static_ids: dict[str, str] = {}  # group instance id -> member id
        self.pending_ids: dict[str, int] = {}  # handed out (KIP-394), not used yet -> limit, ms
        self.join_due_ms: int | None = None  # end of PreparingRebalance
        self.sync_due_ms: int | None = None  # when members that owe a SyncGroup are dropped
        self.gather_due_ms: int | None = None  # a rebalance that was put off (migration.py)
        self._is_gathering = False  # the rebalance of a group that was Empty waits out its delay
        self._delay_left_ms = 0  # by how much that delay may still be prolonged
        self._has_newcomer = False  # somebody joined during the current part of the delay

    # --- questions ---------------------------------------------------------------------------

    def is_in(self, *states: GroupState) -> bool:
        return self.state in states

    @property
    def is_unused(self) -> bool:
        """Nobody in it, and nothing of it is in the log."""
        return self.is_in(S.EMPTY) and self.generation == 0 and not self.pending_ids

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    @property
    def next_due_ms(self) -> int | None:
        """When `expire` has work, Unix milliseconds. Costs O(members)."""
        dues = [due for member in self.members.values() if (due := member.due_ms) is not None]
        dues += self.pending_ids.values()
        own = (self.join_due_ms, self.sync_due_ms, self.gather_due_ms)
        dues += [due for due in own if due is not None]
        return min(dues, default=None)

    def supports(self, protocol_type: str, names: Iterable[str]) -> bool:
        """True if a member with these protocols may join: one of them is spoken by everybody."""
        if not self.members:
            return bool(protocol_type) and any(True for _ in names)
        return protocol_type == self.protocol_type and not self._spoken_by_all().isdisjoint(names)

    def select_protocol(self) -> str:
        """The protocol with most votes among those that all members speak.

        A tie goes to the name that sorts first, so that every replay of the same votes agrees.
        """
        candidates = self._spoken_by_all()
        votes = dict.fromkeys(sorted(candidates), 0)
        for member in self.members.values():
            votes[member.vote(candidates)] += 1
        return max(votes, key=lambda name: votes[name])

    def check_member(self, member_id: str, instance_id: str | None) -> ErrorCode:
        """NONE if this is a member; FENCED_INSTANCE_ID if its static place was taken over."""
        if instance_id is not None:
            holder = self.static_ids.get(instance_id)
            if holder is not None and holder != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
            if holder is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def _spoken_by_all(self) -> set[str]:
        spoken = [{name for name, _ in member.protocols} for member in self.members.values()]
        return set.intersection(*spoken) if spoken else set()

    # --- the automaton -----------------------------------------------------------------------

    def advance(self, to: GroupState) -> None:
        """Move to `to`; nothing but this and `restore` assigns the state."""
        if to not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"group cannot go from {self.state} to {to}")
        self.state = to

    def rebalance(self, now_ms: int, out: Outcome) -> None:
        """The crowd or what it wants has changed: gather anew, or see if all are there."""
        if self.is_in(S.PREPARING_REBALANCE):
            self.complete_join_if_ready(now_ms, out)
            return
        if self.is_in(S.COMPLETING_REBALANCE):
            answer_syncs(self, out, ErrorCode.REBALANCE_IN_PROGRESS, now_ms)
        self._is_gathering = self.is_in(S.EMPTY)
        self.advance(S.PREPARING_REBALANCE)
        self.sync_due_ms = None
        for member in self.members.values():
            member.owes_sync = False
        if self._is_gathering:
            delay_ms = self.config.initial_rebalance_delay_ms
            self._delay_left_ms = max(self.rebalance_timeout_ms - delay_ms, 0)
            self._has_newcomer = False
            self.join_due_ms = now_ms + delay_ms
            if delay_ms <= 0:
                self._complete_join(now_ms, out)
        else:
            self.join_due_ms = now_ms + self.rebalance_timeout_ms
            self.complete_join_if_ready(now_ms, out)

    def complete_join_if_ready(self, now_ms: int, out: Outcome) -> None:
        """End PreparingRebalance as soon as everybody known has joined."""
        if self._is_gathering and self.members:
            return
        if not self.pending_ids and all(m.join_token is not None for m in self.members.values()):
            self._complete_join(now_ms, out)

    def _join_is_due(self, now_ms: int, out: Outcome) -> None:
        """Time is up: prolong the first gathering while members keep coming, else go on."""
        if self._is_gathering and self._has_newcomer and self._delay_left_ms > 0:
            delay_ms = min(self.config.initial_rebalance_delay_ms, self._delay_left_ms)
            self._delay_left_ms -= delay_ms
            self._has_newcomer = False
            self.join_due_ms = now_ms + delay_ms
            return
        self._complete_join(now_ms, out)

    def _complete_join(self, now_ms: int, out: Outcome) -> None:
        """Close the gathering: drop who did not come, number the generation, answer everybody."""
        for member in [m for m in self.members.values() if not m.join_token and not m.is_static]:
            self.remove(member, out)
        if self.members and not self._elect_leader():
            # Only static members are left and none has rejoined: nobody could compute an
            # assignment, so the gathering goes on until one comes or their sessions end.
            self.join_due_ms = now_ms + max(self.rebalance_timeout_ms, RETRY_MS)
            return
        self.join_due_ms, self._is_gathering = None, False
        if not self.members:
            self.protocol_name = self.leader_id = None
            out.records.append(generation_record(self, {}, now_ms, generation=self.generation + 1))
            return
        self.generation += 1
        self.protocol_name = self.select_protocol()
        self.advance(S.COMPLETING_REBALANCE)
        self.sync_due_ms = now_ms + self.rebalance_timeout_ms
        for member in self.members.values():
            # A static member that stayed away does not know this generation: its session decides.
            member.owes_sync = member.join_token is not None
            answer_join(member, join_response(self, member), out, now_ms)

    def _elect_leader(self) -> bool:
        """Keep the leader if it has rejoined, else take the first who has; False if none has."""
        leader = self.members.get(self.leader_id or "")
        if leader is None or leader.join_token is None:
            leader = next((m for m in self.members.values() if m.join_token is not None), None)
        if leader is None:
            return False
        self.leader_id = leader.member_id
        return True

    # --- members -----------------------------------------------------------------------------

    def add(self, member: Member, protocol_type: str, now_ms: int) -> None:
        """Take in a new member whose JoinGroup is parked in it; the first sets the type."""
        if not self.members:
            self.protocol_type = protocol_type
        self.members[member.member_id] = member
        self.pending_ids.pop(member.member_id, None)
        if member.instance_id is not None:
            self.static_ids[member.instance_id] = member.member_id
        if self.leader_id is None:
            self.leader_id = member.member_id
        member.is_new = True
        member.session_due_ms = now_ms + self.config.new_member_join_timeout_ms
        self._has_newcomer = True

    def remove(self, member: Member, out: Outcome, code: ErrorCode | None = None) -> None:
        """Take a member out; what it has parked is answered with `code` (UNKNOWN_MEMBER_ID)."""
        code = ErrorCode.UNKNOWN_MEMBER_ID if code is None else code
        out.is_begun = True
        del self.members[member.member_id]
        if member.instance_id is not None:
            del self.static_ids[member.instance_id]
        if self.leader_id == member.member_id:
            self.leader_id = next(iter(self.members), None)
        refuse_parked(member, code, out)

    def rename(self, member: Member, member_id: str) -> None:
        """Give a static member's place a new id; order and leadership stay with the place."""
        if self.leader_id == member.member_id:
            self.leader_id = member_id
        member.member_id = member_id
        self.members = {m.member_id: m for m in self.members.values()}
        if member.instance_id is not None:
            self.static_ids[member.instance_id] = member_id

    # --- time --------------------------------------------------------------------------------

    def expire(self, now_ms: int, out: Outcome) -> None:
        """Do what is due: forget unused ids, drop silent members, end a gathering."""
        for member_id in [m for m, due in self.pending_ids.items() if due <= now_ms]:
            del self.pending_ids[member_id]
        lost = [m for m in self.members.values() if is_due(m.due_ms, now_ms)]
        if is_due(self.sync_due_ms, now_ms):
            self.sync_due_ms = None
            lost += [m for m in self.members.values() if m.owes_sync and m not in lost]
        for member in lost:
            self.remove(member, out)
        must_gather = is_due(self.gather_due_ms, now_ms)
        if must_gather:
            self.gather_due_ms = None
        if (lost or must_gather) and self.is_in(S.STABLE, S.COMPLETING_REBALANCE):
            self.rebalance(now_ms, out)
        elif self.is_in(S.PREPARING_REBALANCE):
            self.complete_join_if_ready(now_ms, out)
        if self.is_in(S.PREPARING_REBALANCE) and is_due(self.join_due_ms, now_ms):
            self._join_is_due(now_ms, out)


def is_due(due_ms: int | None, now_ms: int) -> bool:
    return due_ms is not None and due_ms <= now_ms
