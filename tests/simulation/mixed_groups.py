"""A group whose members are restarted with the other protocol, one by one, and back (KIP-848).

Classic members are eager: who joins again has given everything up. All of them read what they own,
each partition from where any of them was, so that one that nobody owns is read by nobody.
"""

from collections.abc import Sequence

from data_plane.coordinator.consumer_protocol import (
    CONSUMER as CONSUMERS,
)
from data_plane.coordinator.consumer_protocol import (
    INT16,
    Subscription,
    read_assignment,
    write_assignment,
)
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from data_plane.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from data_plane.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupRequestMember
from data_plane.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from data_plane.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from data_plane.protocol.schema import encode
from tests.simulation.clients import VERSIONS, Ask, Script, Who
from tests.simulation.groups import (
    MISLAID,
    NONE,
    REBALANCE_MS,
    SESSION_MS,
    Book,
    ConsumerMember,
    Member,
)
from tests.simulation.plan import MAIN

# What a process of the application speaks; or there is none.
CLASSIC, CONSUMER, AWAY = "classic", "consumer", "away"
LEAVING = -1  # the epoch of who goes
VERSION = 1
WANTS = INT16.pack(VERSION) + encode(Subscription([MAIN]), VERSION)
RESTARTS = 0.1  # of the steps of a restless member
VANISHES = 0.25  # of its restarts: nobody says that the former process is gone


class MixedMember(ConsumerMember):
    """`wish` is what it is restarted as, `mode` what it is by now."""

    is_restless = False  # It is restarted when it likes, not only when it is told to.

    def __init__(self, who: Who, book: Book) -> None:
        super().__init__(who, book)
        self.mode = self.wish = CLASSIC
        self._processes = 0
        self._must_join = True

    @property
    def generation(self) -> int:
        """Its generation, or its epoch; -1 or 0: it has none."""
        return self._generation

    def _live(self) -> Script[None]:
        while not self.is_stopping:
            if self.is_restless and self.rng.random() < RESTARTS:
                self.wish = self.rng.choice([CLASSIC, CONSUMER, AWAY])
            if self.mode != self.wish:
                yield from self._restart(self.wish)
            elif self.mode == CLASSIC:
                yield from self._be_classic()
            elif self.mode == CONSUMER:
                yield from self._be_consumer()
            else:
                self.done += 1
                yield 500
        self.is_idle = True

    # --- processes that come and go ------------------------------------------------------------

    def _restart(self, mode: str) -> Script[None]:
        """mode: taken up once the former process has told that it goes, if it tells."""
        if not (self.is_restless and self.rng.random() < VANISHES):
            yield from self._leave()
        self._owned, self._generation, self._must_join = [], 0, True
        self._processes += 1
        self._member_id = f"member-{self.number}-{self._processes}" if mode == CONSUMER else ""
        self.mode = mode

    def _leave(self) -> Script[None]:
        group_id = self.book.group_id
        if self.mode == CLASSIC and self._member_id:
            members = [LeaveGroupRequestMember(self._member_id)]
            yield from self._asked(LeaveGroupRequest(group_id, members=members), 3)
        elif self.mode == CONSUMER:
            request = ConsumerGroupHeartbeatRequest(group_id, self._member_id, LEAVING)
            yield from self._asked(request, 1)

    # --- as a classic consumer -----------------------------------------------------------------

    def _be_classic(self) -> Script[None]:
        """One step."""
        if self._must_join:
            self._owned = []
            self._must_join = not (yield from self._join())
            yield from self._fetch() if self._owned else self._rest()
            return
        yield self.rng.choice([200, 400, 600])
        self._hear((yield from self._commit_or_beat(0.4)))
        yield from self._read()

    def _hear(self, code: ErrorCode | None) -> None:
        """As clients do: a member keeps its id unless it is told that nobody knows it."""
        if code in (None, NONE) or code in MISLAID:
            return
        self._must_join = True
        if code is ErrorCode.UNKNOWN_MEMBER_ID:
            self._member_id = ""

    def _join(self) -> Script[bool]:
        request = JoinGroupRequest(
            self.book.group_id,
            SESSION_MS,
            REBALANCE_MS,
            self._member_id,
            protocol_type=CONSUMERS,
            protocols=[JoinGroupRequestProtocol("range", WANTS)],
        )
        response = yield from self._asked(request, 5)
        if response is None:
            return False
        if response.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self._member_id = response.member_id
        if response.error_code:
            self._hear(ErrorCode(response.error_code))
            return False
        self._member_id, self._generation = response.member_id, response.generation_id
        return (yield from self._sync(sorted(one.member_id for one in response.members)))

    def _sync(self, members: list[str]) -> Script[bool]:
        """members: empty if another one is the leader, or the coordinator."""
        everything = range(self.book.partitions)
        assignments = [
            SyncGroupRequestAssignment(
                member, write_assignment({MAIN: everything[at :: len(members)]}, WANTS)
            )
            for at, member in enumerate(members)
        ]
        request = SyncGroupRequest(
            self.book.group_id, self._generation, self._member_id, assignments=assignments
        )
        response = yield from self._asked(request, 3)
        if response is None or response.error_code:
            self._hear(None if response is None else ErrorCode(response.error_code))
            return False
        rows = read_assignment(bytes(response.assignment)).assigned_partitions
        self._adopt([index for row in rows for index in row.partitions])
        return True

    # --- as one of the new protocol ------------------------------------------------------------

    def _be_consumer(self) -> Script[None]:
        """One step. Where its epoch has grown, what it keeps is its own in that one too."""
        yield from self._beat()
        self._adopt(self._owned)
        if self._generation > 0 and self._owned and self.rng.random() < 0.4:
            yield from self._commit(9)
        yield from self._read()
        yield self.rng.choice([200, 500])

    def _adopt(self, owned: list[int]) -> None:
        """Who is put out for being slow does not know it; its epoch tells it from who is not."""
        self._owned = owned
        life = self.invariants.commits.life(self.book.group_id)
        self.book.owns(self._member_id, self._generation, owned, life=life)

    # --- either --------------------------------------------------------------------------------

    def _rest(self) -> Script[None]:
        yield self.backoff_ms()

    def _read(self) -> Script[None]:
        """Read on in one of its partitions, if anybody says who leads it."""
        if not self._owned:
            return
        index = self.rng.choice(self._owned)
        place = (MAIN, index)
        if place not in self.leaders:
            known = MetadataRequest(topics=[MetadataRequestTopic(name=MAIN)])
            self._take_leaders(MAIN, (yield Ask(self.some_broker(), known, VERSIONS[3])))
            return
        leader, epoch = self.leaders[place]
        offset = self.book.read_to[index]
        row = FetchRequestPartition(index, current_leader_epoch=epoch, fetch_offset=offset)
        request = FetchRequest(max_wait_ms=0, topics=[FetchRequestTopic(MAIN, partitions=[row])])
        response = yield Ask(leader, request, VERSIONS[1])
        found = response.responses[0].partitions[0] if response and response.responses else None
        if found is not None and not found.error_code:
            reached = self.invariants.was_read(place, offset, bytes(found.records or b""))
            self.book.read_to[index] = max(self.book.read_to[index], reached)
        elif found is not None and found.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            deleted_to = self.invariants.oracle(*place).deleted_to
            self.book.read_to[index] = max(self.book.read_to[index], deleted_to)
        else:
            self.leaders.pop(place, None)


class RestlessMember(MixedMember):
    """One that is restarted at any time."""

    is_restless = True


def settle(members: Sequence[object]) -> None:
    """Nobody is restarted any more, and somebody is there."""
    mixed = [one for one in members if isinstance(one, MixedMember)]
    for one in mixed:
        one.is_restless = False
    if mixed and all(one.wish == AWAY for one in mixed):
        mixed[0].wish = CLASSIC


def left_out(book: Book, members: Sequence[Member], ends: Sequence[int]) -> list[int]:
    """Partitions that no member owns, or that are not read to `ends` by a group that reads."""
    owned = {index for one in members for index in one.owned}
    is_read = any(isinstance(one, MixedMember) for one in members)
    return [
        index
        for index, end in enumerate(ends)
        if index not in owned or (is_read and book.read_to[index] < end)
    ]
