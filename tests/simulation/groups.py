"""Members of groups of both protocols, and what a group may never do.

Nobody's commit that was acknowledged is lost, and nothing has two owners in one generation.
Partitions are committed by growing numbers, each given out once.
"""

from collections.abc import Iterable
from typing import Any

from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopic,
)
from data_plane.protocol.messages.find_coordinator import GROUP
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from data_plane.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupRequestMember
from data_plane.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from data_plane.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from tests.simulation.clients import Ask, Script, Who, Worker
from tests.simulation.cluster_invariants import Violation
from tests.simulation.plan import MAIN

NONE = ErrorCode.NONE
REBALANCE_MS = 3_000
SESSION_MS = 6_000
PATIENT_MS = 60_000  # a member of the new protocol is never put out for being slow
MISLAID = frozenset(
    {
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


class Book:
    """What a group's members were told, all together."""

    def __init__(self, group_id: str, partitions: int) -> None:
        self.group_id = group_id
        self.partitions = partitions
        self.acknowledged = [-1] * partitions
        self.read_to = [0] * partitions  # by members that read; each goes on where another was
        self._given_out = [0] * partitions
        # Nobody has answered them: they may be under way still, and come behind later ones.
        self._unanswered: set[tuple[int, int]] = set()
        self._owners: dict[tuple[int, int, int], str] = {}  # (life, generation, partition): member
        self._holders: dict[int, str] = {}  # of the new protocol: who has it until it says no

    def next_offset(self, index: int) -> int:
        self._given_out[index] += 1
        return self._given_out[index]

    def was_committed(self, index: int, offset: int) -> None:
        self.acknowledged[index] = max(self.acknowledged[index], offset)

    def has_no_answer(self, index: int, offset: int) -> None:
        self._unanswered.add((index, offset))

    def was_fetched(self, index: int, offset: int, at_least: int) -> None:
        """at_least: what was acknowledged before it was asked for."""
        is_late = (index, offset) in self._unanswered
        if not is_late and not at_least <= offset <= self._given_out[index]:
            raise Violation(
                f"group {self.group_id}: partition {index} is at {offset}, "
                f"{at_least} was acknowledged, {self._given_out[index]} tried"
            )

    def owns(
        self, member_id: str, generation: int, indexes: Iterable[int], *, life: int = 0
    ) -> None:
        """life: of the group, whose generations may begin anew."""
        for index in indexes:
            owner = self._owners.setdefault((life, generation, index), member_id)
            if owner != member_id:
                raise Violation(
                    f"group {self.group_id}: {index} is {owner}'s and {member_id}'s in {generation}"
                )

    def holds(self, member_id: str, indexes: set[int]) -> None:
        """A member of the new protocol takes up an assignment, and gives up all else."""
        for index in [at for at, who in self._holders.items() if who == member_id]:
            if index not in indexes:
                del self._holders[index]
        for index in indexes:
            holder = self._holders.setdefault(index, member_id)
            if holder != member_id:
                raise Violation(f"group {self.group_id}: {index} is {holder}'s and {member_id}'s")


class Member(Worker):
    """What members of both protocols do."""

    def __init__(self, who: Who, book: Book) -> None:
        super().__init__(who)
        self.book = book
        self._coordinator: int | None = None
        self._member_id = ""
        self._generation = -1
        self._owned: list[int] = []

    @property
    def owned(self) -> list[int]:
        """The partitions that it takes for its own."""
        return self._owned

    def start(self) -> None:
        self.play(self._live())

    def _live(self) -> Script[None]:
        raise NotImplementedError

    def _asked(self, request: object, version: int) -> Script[Any]:
        """One request at the coordinator; None: nobody knows, and another may coordinate by now."""
        if self._coordinator is None:
            self._coordinator = yield from self.coordinator(self.book.group_id, GROUP)
        response = yield Ask(self._coordinator, request, version)
        if response is None or getattr(response, "error_code", NONE) in MISLAID:
            self._coordinator = None
            yield self.backoff_ms()
            return None
        return response

    def _fetch(self) -> Script[None]:
        """Where to read on: not before what was acknowledged."""
        known = list(self.book.acknowledged)
        topics = [OffsetFetchRequestTopic(MAIN, self._owned)]
        request = OffsetFetchRequest(self.book.group_id, topics, require_stable=True)
        response = yield from self._asked(request, 7)
        if response is not None and not response.error_code:
            for row in response.topics[0].partitions:
                if not row.error_code:
                    index = row.partition_index
                    self.book.was_fetched(index, row.committed_offset, known[index])

    def _commit_or_beat(self, commits: float) -> Script[ErrorCode | None]:
        """As a classic member shows that it is there; commits: how often by one. What it is told;
        None: nothing."""
        if self._owned and self.rng.random() < commits:
            return (yield from self._commit(7))
        request = HeartbeatRequest(self.book.group_id, self._generation, self._member_id)
        response = yield from self._asked(request, 3)
        code = None if response is None else ErrorCode(response.error_code)
        self.done += code is NONE
        return code

    def _commit(self, version: int) -> Script[ErrorCode | None]:
        index = self.rng.choice(self._owned)
        offset = self.book.next_offset(index)
        who = (self._member_id, self._generation)
        self.invariants.commits.tries(self.book.group_id, index, offset, who)
        row = OffsetCommitRequestPartition(index, committed_offset=offset)
        topic = OffsetCommitRequestTopic(MAIN, partitions=[row])
        request = OffsetCommitRequest(
            self.book.group_id, self._generation, self._member_id, topics=[topic]
        )
        response = yield from self._asked(request, version)
        if response is None:
            self.book.has_no_answer(index, offset)
            return None
        code = ErrorCode(response.topics[0].partitions[0].error_code)
        if code is NONE:
            self.book.was_committed(index, offset)
            self.done += 1
        elif code in MISLAID:
            self._coordinator = None
        return code


class ClassicMember(Member):
    """JoinGroup, SyncGroup, then heartbeats and commits until something has changed."""

    def _live(self) -> Script[None]:
        while not self.is_stopping:
            if (yield from self._join()):
                yield from self._fetch()
                yield from self._stay()
            else:
                yield self.backoff_ms()
        self.is_idle = True

    def _join(self) -> Script[bool]:
        request = JoinGroupRequest(
            self.book.group_id,
            SESSION_MS,
            REBALANCE_MS,
            self._member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol("p")],
        )
        response = yield from self._asked(request, 5)
        if response is None:
            return False
        if response.error_code:
            is_new = response.error_code == ErrorCode.MEMBER_ID_REQUIRED
            self._member_id = response.member_id if is_new else ""
            return False
        self._member_id, self._generation = response.member_id, response.generation_id
        return (yield from self._sync(sorted(one.member_id for one in response.members)))

    def _sync(self, members: list[str]) -> Script[bool]:
        """members: empty if another one is the leader."""
        everything = range(self.book.partitions)
        assignments = [
            SyncGroupRequestAssignment(member, bytes(everything[at :: len(members)]))
            for at, member in enumerate(members)
        ]
        request = SyncGroupRequest(
            self.book.group_id, self._generation, self._member_id, assignments=assignments
        )
        response = yield from self._asked(request, 3)
        if response is None or response.error_code:
            return False
        self._owned = list(response.assignment)
        self.book.owns(self._member_id, self._generation, self._owned)
        return True

    def _stay(self) -> Script[None]:
        while not self.is_stopping:
            yield self.rng.choice([200, 500, 900])
            code = yield from self._commit_or_beat(0.6)
            if code not in (None, NONE) and code not in MISLAID:
                return
            draw = self.rng.random()
            if draw < 0.03:
                yield from self._leave()
            if draw < 0.06:
                self._member_id = ""  # Another process; nobody says that this one is gone.
                return

    def _leave(self) -> Script[None]:
        members = [LeaveGroupRequestMember(self._member_id)]
        yield from self._asked(LeaveGroupRequest(self.book.group_id, members=members), 3)


class ConsumerMember(Member):
    """One request: it says what it has, and hears what it shall have (KIP-848)."""

    _has_missed = False  # an answer

    def _live(self) -> Script[None]:
        self._member_id = f"member-{self.number}"
        self._generation = 0
        while not self.is_stopping:
            yield from self._beat()
            if self._generation > 0 and self._owned and self.rng.random() < 0.5:
                yield from self._commit(9)
            yield self.rng.choice([300, 700])
        self.is_idle = True

    def _beat(self) -> Script[None]:
        is_joining = self._generation == 0
        if is_joining:
            self._adopt([])
        is_full = is_joining or self._has_missed
        self._has_missed = False
        request = ConsumerGroupHeartbeatRequest(
            self.book.group_id,
            self._member_id,
            self._generation,
            rebalance_timeout_ms=PATIENT_MS,
            subscribed_topic_names=[MAIN] if is_full else None,
            topic_partitions=self._reported(),
        )
        response = yield from self._asked(request, 1)
        if response is None:  # What it was to have may have been said: all is asked anew, as Java.
            self._has_missed = True
            return
        if response.error_code:
            self._generation = 0
            return
        self._generation = response.member_epoch
        self.done += 1
        if response.assignment is not None:
            before = self._owned
            self._adopt([p for t in response.assignment.topic_partitions for p in t.partitions])
            if set(self._owned) - set(before):
                yield from self._fetch()

    def _reported(self) -> list[ConsumerGroupHeartbeatRequestTopic]:
        topic = self.invariants.image.topics[MAIN]
        rows = [ConsumerGroupHeartbeatRequestTopic(topic.topic_id, self._owned)]
        return rows if self._owned else []

    def _adopt(self, owned: list[int]) -> None:
        self._owned = owned
        self.book.holds(self._member_id, set(owned))
