"""Copies from one leader: a fetch session of each kind, one request under way, bounded bytes.

    idle -> asked -> (answer) taken -> [synced] -> asked ...

A `synced` fetcher asks again only after its own group commit has made everything durable that the
last answer brought, so that the offsets of its requests are synced offsets (durability.md 1, end).
A partition that is refused leaves the session for a while, one that must stop leaves it for good.
One that is far behind is copied in a session of its own kind: in one session, and on one
connection, each record of who is in sync would wait for another half megabyte of the backlog.
Source: KIP-227 (sessions), KIP-903 (replica epoch).
"""

from collections.abc import Callable
from typing import Final, Protocol
from uuid import UUID

from data_plane.log.failures import DamagedLog, DiskFull, LogFailure
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestForgottenTopic,
    FetchRequestPartition,
    FetchRequestReplicaState,
    FetchRequestTopic,
    FetchResponse,
    FetchResponsePartition,
)
from data_plane.replication.follower import (
    BEHIND_SESSION,
    PLAIN_SESSION,
    SYNCED_SESSION,
    Follower,
    Stopped,
)
from data_plane.replication.peers import Peers

WAIT_MS: Final = 500  # replica.fetch.wait.max.ms
# One answer is taken in one go, and a record just written to another partition waits for it: with
# 4 MB of what is far behind at once, who is in sync waited 40 ms for the backlog, now 8.
RESPONSE_BYTES_MAX: Final = 512 * 1024
PARTITION_BYTES_MAX: Final = 256 * 1024  # a batch that is larger comes whole, and alone
FAR_BEHIND_BYTES: Final = 128 * 1024  # in one answer, and there is more
ANSWER_MS_MAX: Final = 10_000
BACKOFF_MS_MIN: Final = 50
BACKOFF_MS_MAX: Final = 1_000
REFUSED_MS: Final = 200  # a partition whose leader has not heard of its role, or has lost it
SESSION_EPOCH_MAX: Final = (1 << 31) - 1

Key = tuple[UUID, int]
Move = Callable[[Follower, str], None]
Enter = Callable[[Follower, "Fetcher"], None]


class Copying(Protocol):
    """What a fetcher needs of its broker."""

    @property
    def now_ms(self) -> int: ...

    @property
    def replica_state(self) -> FetchRequestReplicaState:
        """Who fetches: this broker's id and epoch."""

    @property
    def may_copy(self) -> bool:
        """There is room on the disk."""

    def copied(self, follower: Follower) -> None:
        """Something of it has been written, and is to be synced."""

    def stopped(self, follower: Follower, why: str) -> None:
        """It may not go on."""

    def unreadable(self, follower: Follower, error: DamagedLog) -> None:
        """What it holds cannot be read."""

    def fail(self, error: BaseException) -> None:
        """Storage broke its promise: the broker must end."""


class Fetcher:
    """The partitions that are copied from one leader in one kind of session.

    move: called with one that is to be copied in a session of another kind.
    enter: called with one that was invited, when this fetcher is about to ask. Until then the other
    one goes on with it: a poll may be under way here for half a second, in which its writers would
    wait, or the leader would get so far ahead that it never came into the ISR.
    """

    def __init__(
        self,
        leader_id: int,
        session: str,
        *,
        peers: Peers,
        copying: Copying,
        move: Move,
        enter: Enter,
    ) -> None:
        self.leader_id = leader_id
        self.session = session
        self._is_synced = session == SYNCED_SESSION
        self._move, self._enter = move, enter
        self._invited: dict[Follower, None] = {}
        self._peers = peers
        self._copying = copying
        self._followers: dict[Key, Follower] = {}
        self._asked: dict[Key, FetchRequestPartition] = {}  # what the session asks for
        self._changed: dict[Key, None] = {}  # those for which it should ask otherwise
        self._forgotten: dict[Key, None] = {}
        self._refused: dict[Key, int] = {}  # left out until then, Unix ms
        self._unsynced: list[Follower] = []
        self._session_id = 0
        self._session_epoch = 0
        self.is_asking = False  # a request is under way; to be read only
        self._due_ms = 0
        self._backoff_ms = BACKOFF_MS_MIN

    def __len__(self) -> int:
        return len(self._followers)

    def add(self, follower: Follower) -> None:
        """Copy a partition from now on; or ask for it anew, in another leader epoch."""
        self._followers[follower.key] = follower
        self._refused.pop(follower.key, None)
        self._changed[follower.key] = None
        if self._is_synced and not follower.is_synced:
            self._unsynced.append(follower)  # As a leader it need not have synced all it holds.

    def invite(self, follower: Follower) -> None:
        """Copy a partition from the next request on, if its leader has not changed by then."""
        self._invited[follower] = None

    def remove(self, follower: Follower) -> None:
        key = follower.key
        if self._followers.get(key) is follower:
            del self._followers[key]
            self._refused.pop(key, None)
            self._changed.pop(key, None)
            self._drop_from_session(key)

    @property
    def next_due_ms(self) -> int | None:
        """When `step` has something to do by the clock alone, Unix ms."""
        if self.is_asking or not (self._followers or self._invited):
            return None
        if self._followers and len(self._refused) == len(self._followers):
            return max(self._due_ms, min(self._refused.values()))
        return self._due_ms if self._due_ms and not self._unsynced else None

    def step(self, now_ms: int) -> None:
        """Ask if it is time to."""
        if self.is_asking or now_ms < self._due_ms or not (self._followers or self._invited):
            return
        if self._unsynced:
            self._unsynced = [one for one in self._unsynced if not (one.is_gone or one.is_synced)]
            if self._unsynced:
                return
        if not self._copying.may_copy:
            self._due_ms = now_ms + BACKOFF_MS_MAX
            return
        while self._invited:
            self._enter(self._invited.popitem()[0], self)
        for key in [key for key, due_ms in self._refused.items() if due_ms <= now_ms]:
            del self._refused[key]
            self._changed[key] = None
        if len(self._refused) < len(self._followers):
            self._ask()

    def _ask(self) -> None:
        if self._session_epoch == 0:  # A session begins: it is told everything.
            self._asked.clear()
            self._forgotten.clear()
            self._changed = {key: None for key in self._followers if key not in self._refused}
        rows: dict[UUID, list[FetchRequestPartition]] = {}
        for key in self._changed:
            self._forgotten.pop(key, None)  # A leader forgets after it has added.
            row = self._followers[key].request(PARTITION_BYTES_MAX)
            self._asked[key] = row
            rows.setdefault(key[0], []).append(row)
        forgotten: dict[UUID, list[int]] = {}
        for topic_id, index in self._forgotten:
            forgotten.setdefault(topic_id, []).append(index)
        self._changed, self._forgotten = {}, {}
        request = FetchRequest(
            replica_state=self._copying.replica_state,
            max_wait_ms=WAIT_MS,
            min_bytes=1,
            max_bytes=RESPONSE_BYTES_MAX,
            session_id=self._session_id,
            session_epoch=self._session_epoch,
            topics=[FetchRequestTopic(topic_id=one, partitions=own) for one, own in rows.items()],
            forgotten_topics_data=[
                FetchRequestForgottenTopic(topic_id=one, partitions=own)
                for one, own in forgotten.items()
            ],
            rack_id=self.session,
        )
        self.is_asking = True
        self._due_ms = 0
        self._peers.request(self.leader_id, request, self._answered, timeout_ms=ANSWER_MS_MAX)

    def _answered(self, response: object) -> None:
        self.is_asking = False
        if not isinstance(response, FetchResponse) or response.error_code:
            self._begin_anew()
            return
        self._backoff_ms = BACKOFF_MS_MIN
        if self._session_epoch == 0:
            self._session_id = response.session_id
        if self._session_id:
            self._session_epoch = self._session_epoch % SESSION_EPOCH_MAX + 1
        for topic in response.responses:
            for row in topic.partitions:
                self._take((topic.topic_id, row.partition_index), row)
        self.step(self._copying.now_ms)

    def _begin_anew(self) -> None:
        """The leader is away, or has forgotten the session."""
        self._session_id = self._session_epoch = 0
        self._due_ms = self._copying.now_ms + self._backoff_ms
        self._backoff_ms = min(2 * self._backoff_ms, BACKOFF_MS_MAX)

    def _take(self, key: Key, row: FetchResponsePartition) -> None:
        follower, asked = self._followers.get(key), self._asked.get(key)
        if follower is None or asked is None:
            return
        if (asked.fetch_offset, asked.current_leader_epoch) != (
            follower.log.log_end_offset,
            follower.leader_epoch,
        ):
            self._changed[key] = None  # The answer to a question of before.
            return
        try:
            code = follower.take(row, self._copying.now_ms)
        except Stopped as stop:
            self.remove(follower)
            self._copying.stopped(follower, str(stop))
            return
        except DamagedLog as error:
            self.remove(follower)
            self._copying.unreadable(follower, error)
            return
        except DiskFull:
            code = ErrorCode.KAFKA_STORAGE_ERROR
        except LogFailure as failure:
            self._copying.fail(failure)
            raise
        if follower.log.is_dirty:
            self._copying.copied(follower)
            if self._is_synced and not follower.is_synced:
                self._unsynced.append(follower)
        if code is not ErrorCode.NONE:
            self._refused[key] = self._copying.now_ms + REFUSED_MS
            self._changed.pop(key, None)
            self._drop_from_session(key)
            return
        if follower.log.log_end_offset != asked.fetch_offset:
            self._changed[key] = None
        if self.session == BEHIND_SESSION or not follower.is_in_isr:
            self._place(follower, row)

    def _place(self, follower: Follower, row: FetchResponsePartition) -> None:
        """Say in which session it belongs. row: an answer that was taken."""
        is_at_end = follower.log.log_end_offset >= row.high_watermark
        is_large = len(row.records or b"") >= FAR_BEHIND_BYTES
        if self.session == BEHIND_SESSION and is_at_end:
            self._move(follower, PLAIN_SESSION)
        elif self.session == PLAIN_SESSION and is_large and not is_at_end:
            self._move(follower, BEHIND_SESSION)

    def _drop_from_session(self, key: Key) -> None:
        if self._asked.pop(key, None) is not None:
            self._forgotten[key] = None


class Fetchers:
    """Every fetcher of a broker.

    by_leader: by leader and session; to be read only. While it is empty `step` need not be called.
    """

    def __init__(self, peers: Peers, copying: Copying) -> None:
        self._peers = peers
        self._copying = copying
        self.by_leader: dict[tuple[int, str], Fetcher] = {}
        self._fetcher_of: dict[Follower, Fetcher] = {}

    def follow(self, follower: Follower, *, is_in_isr: bool) -> None:
        """Copy a partition from the leader it names, or from another one than before."""
        follower.is_in_isr = is_in_isr
        before = self._fetcher_of.get(follower)
        if follower.syncs_at_once:
            session = SYNCED_SESSION
        elif before is not None and before.leader_id == follower.leader_id:
            session = PLAIN_SESSION if before.session == SYNCED_SESSION else before.session
        else:
            session = PLAIN_SESSION
        self._change(follower, self._fetcher(follower.leader_id, session))

    def _fetcher(self, *at: *tuple[int, str]) -> Fetcher:
        """at: leader and session."""
        fetcher = self.by_leader.get(at)
        if fetcher is None:
            fetcher = self.by_leader[at] = Fetcher(
                *at, peers=self._peers, copying=self._copying, move=self._move, enter=self._enter
            )
        return fetcher

    def _move(self, follower: Follower, session: str) -> None:
        fetcher = self._fetcher(follower.leader_id, session)
        if fetcher.is_asking:
            fetcher.invite(follower)
        else:
            self._change(follower, fetcher)

    def _enter(self, follower: Follower, fetcher: Fetcher) -> None:
        before = self._fetcher_of.get(follower)
        if before is None or before.leader_id != fetcher.leader_id or follower.syncs_at_once:
            return  # It is copied from elsewhere now, in another way, or not at all.
        self._change(follower, fetcher)

    def _change(self, follower: Follower, fetcher: Fetcher) -> None:
        before = self._fetcher_of.get(follower)
        if before is not None and before is not fetcher:
            before.remove(follower)
        self._fetcher_of[follower] = fetcher
        fetcher.add(follower)

    def unfollow(self, follower: Follower) -> None:
        fetcher = self._fetcher_of.pop(follower, None)
        if fetcher is not None:
            fetcher.remove(follower)

    def step(self, now_ms: int) -> None:
        """Ask where it is time to; at the end of each turn."""
        for fetcher in self.by_leader.values():
            fetcher.step(now_ms)

    @property
    def next_due_ms(self) -> int | None:
        soonest_ms: int | None = None
        for fetcher in self.by_leader.values():
            due_ms = fetcher.next_due_ms
            if due_ms is not None and (soonest_ms is None or due_ms < soonest_ms):
                soonest_ms = due_ms
        return soonest_ms
