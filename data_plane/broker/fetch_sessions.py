"""Fetch sessions (KIP-227): what a client reads, kept between its fetches, told only as it changes.

A session knows its partitions and what it last told of each. A partition marks the session's entry
when its watermarks move or it goes, so that an incremental fetch looks at what changed since the
last one and at nothing else (durability.md 7). An entry stays dirty until it was read to its end
and told; one that was answered by an error stays dirty for ever, since an error is told each time.
A fetch without a session is a view of the same kind that lives for one answer.

Sequence numbers: epoch 0 asks for a new session, -1 for none, n > 0 is the n-th fetch after the
first; any other number means that an answer was lost, and the client begins anew.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from random import Random
from typing import Final, NamedTuple

from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import (
    FetchSessionIdNotFound,
    FetchSessionTopicIdError,
    InvalidFetchSessionEpoch,
)
from data_plane.protocol.hot.fetch import FetchCall, FetchPartition
from data_plane.protocol.hot.fields import TopicKey
from data_plane.replication.partition import Partition

NO_SESSION: Final = 0
INITIAL_EPOCH, FINAL_EPOCH = 0, -1
EPOCH_MAX: Final = (1 << 31) - 1
IDLE_MS_MIN: Final = 120_000  # A session this long unused may give its slot to another.

Marks = tuple[int, int, int]  # high watermark, last stable offset, log start


class FetchCaller(NamedTuple):
    """Who fetches, and what the broker knows at that moment."""

    principal: str
    has_ids: bool  # The request's version names topics by id.
    image: MetadataImage
    now_ms: int
    is_replica: bool = False


class FetchEntry:
    """One partition of a view: from where to read it, and what was last told of it."""

    __slots__ = ("_view", "noted", "partition", "told", "topic", "wanted")

    def __init__(self, view: "FetchView", topic: TopicKey, wanted: FetchPartition) -> None:
        self._view = view
        self.topic = topic
        self.wanted = wanted
        self.partition: Partition | None = None  # as of the last read
        self.told: Marks | None = None  # None: it must be told whatever it is
        self.noted: FetchPartition | None = None  # what a follower's leader has taken note of

    def mark(self) -> None:
        """Something about the partition has changed."""
        self._view.mark(self)

    def mark_quietly(self) -> None:
        """Something has changed that need not be told at once."""
        self._view.dirty[self] = None


class FetchView:
    """What one client reads: all of it, and in `dirty` what there may be something to say about."""

    __slots__ = ("_is_replica", "_is_watching", "_woken", "dirty", "entries", "tells_all")

    def __init__(self, call: FetchCall, *, is_replica: bool = False) -> None:
        self.entries: dict[tuple[TopicKey, int], FetchEntry] = {}
        self.dirty: dict[FetchEntry, None] = {}  # those read least lately first
        self.tells_all = True  # A full fetch is answered with a row for each partition.
        self._is_replica = is_replica
        self._is_watching = False
        self._woken: Callable[[], None] | None = None
        self._add(call)

    @property
    def session_id(self) -> int:
        return NO_SESSION

    def mark(self, entry: FetchEntry) -> None:
        self.dirty[entry] = None
        if self._woken is not None:
            self._woken()

    def park(self, woken: Callable[[], None]) -> None:
        """Call `woken` whenever an entry is marked, until `answered`."""
        self._woken = woken
        self.watch()

    def watch(self) -> None:
        """From now on partitions mark their entries."""
        if not self._is_watching:
            self._is_watching = True
            for entry in self.entries.values():
                if entry.partition is not None:
                    self._watch_one(entry, entry.partition)

    def leave(self) -> None:
        """No partition knows of this view any more."""
        self._woken = None
        if self._is_watching:
            self._is_watching = False
            for entry in self.entries.values():
                self._unwatch(entry)

    def answered(self, woken: Callable[[], None]) -> None:
        """The fetch that was parked with `woken` is answered or given up."""
        del woken  # There is no other.
        self.leave()

    def found(self, entry: FetchEntry, partition: Partition | None) -> None:
        """An entry's partition, as it is now: another one if the topic was created anew."""
        if entry.partition is not partition:
            self._unwatch(entry)
            entry.partition = partition
            if self._is_watching and partition is not None:
                self._watch_one(entry, partition)

    def _watch_one(self, entry: FetchEntry, partition: Partition) -> None:
        if self._is_replica:
            partition.add_replica_waiter(entry.mark, entry.mark_quietly)
        else:
            partition.add_progress_waiter(entry.mark)

    def _add(self, call: FetchCall) -> None:
        for topic, rows in call.topics:
            for wanted in rows:
                key = (topic, wanted.partition)
                entry = self.entries.get(key)
                if entry is None:
                    entry = self.entries[key] = FetchEntry(self, topic, wanted)
                entry.wanted = wanted
                self.dirty[entry] = None

    def _unwatch(self, entry: FetchEntry) -> None:
        if entry.partition is None:
            return
        if self._is_replica:
            entry.partition.remove_replica_waiter(entry.mark)
        else:
            entry.partition.remove_progress_waiter(entry.mark)


class FetchSession(FetchView):
    """A view that outlives its fetches. It belongs to one principal; nobody else finds it."""

    __slots__ = ("_session_id", "epoch", "has_ids", "image", "principal", "used_ms")

    def __init__(self, call: FetchCall, session_id: int, caller: FetchCaller) -> None:
        super().__init__(call, is_replica=caller.is_replica)
        self._session_id = session_id
        self.principal = caller.principal
        self.has_ids = caller.has_ids
        self.image = caller.image
        self.epoch = INITIAL_EPOCH  # of the fetch under way
        self.used_ms = caller.now_ms
        self.watch()

    @property
    def session_id(self) -> int:
        return self._session_id

    def wake_replica(self) -> None:
        if self._is_replica and self._woken is not None:
            self._woken()

    @property
    def is_parked(self) -> bool:
        return self._woken is not None

    def answered(self, woken: Callable[[], None]) -> None:
        if self._woken == woken:  # Else a later fetch is parked here by now.
            self._woken = None

    def advance(self, call: FetchCall, caller: FetchCaller) -> None:
        """Take up the next incremental fetch. Raises InvalidFetchSessionEpoch."""
        wanted = self.epoch + 1 if self.epoch < EPOCH_MAX else 1
        if call.session_epoch != wanted:
            raise InvalidFetchSessionEpoch
        self._woken = None  # A client that asks again has given up what is parked.
        self.epoch, self.used_ms, self.tells_all = wanted, caller.now_ms, False
        self._add(call)
        self._forget(call.forgotten)
        if self.image is not caller.image:
            # Topics, leaders and rights may be others now, of which partitions say nothing.
            self.image = caller.image
            self.dirty.update(dict.fromkeys(self.entries.values()))

    def _forget(self, forgotten: Iterable[tuple[TopicKey, tuple[int, ...]]]) -> None:
        for topic, indexes in forgotten:
            for index in indexes:
                entry = self.entries.pop((topic, index), None)
                if entry is not None:
                    self.dirty.pop(entry, None)
                    self._unwatch(entry)


class FetchSessions:
    """The sessions of one broker, in a bounded number of slots and of partitions in all of them.

    A full cache gives the slot of a session that was idle for two minutes, else no session: the
    client then sends full fetches, which is as right and only costs more.
    """

    def __init__(self, sessions_max: int, entries_max: int, rng: Random) -> None:
        self._sessions_max = sessions_max
        self._entries_max = entries_max
        self._rng = rng
        self._sessions: OrderedDict[int, FetchSession] = OrderedDict()  # least recently used first
        self._entry_count = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def wake_replicas(self) -> None:
        """Have every fetch of a follower that is parked here look again."""
        for session in self._sessions.values():
            session.wake_replica()

    def begin(self, call: FetchCall, caller: FetchCaller) -> FetchView:
        """The view that a fetch asks for.

        Raises FetchSessionIdNotFound, InvalidFetchSessionEpoch or FetchSessionTopicIdError.
        """
        session = self._sessions.get(call.session_id)
        if session is not None and session.principal != caller.principal:
            session = None
        if call.session_epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            if session is not None:
                self._drop(session)
            if call.session_epoch == INITIAL_EPOCH and call.topics:
                return self._created(call, caller)
            return FetchView(call, is_replica=caller.is_replica)
        if session is None:
            raise FetchSessionIdNotFound
        return self._advanced(session, call, caller)

    def _advanced(self, session: FetchSession, call: FetchCall, caller: FetchCaller) -> FetchView:
        if session.has_ids is not caller.has_ids:
            raise FetchSessionTopicIdError
        before = len(session.entries)
        session.advance(call, caller)
        self._entry_count += len(session.entries) - before
        self._sessions.move_to_end(session.session_id)
        if not session.entries:  # Nothing is left to remember.
            self._drop(session)
            return FetchView(call, is_replica=caller.is_replica)
        if self._entry_count > self._entries_max:
            self._drop(session)
            raise FetchSessionIdNotFound  # The client begins anew, without a session.
        return session

    def _created(self, call: FetchCall, caller: FetchCaller) -> FetchView:
        wanted = sum(len(rows) for _, rows in call.topics)
        if self._entry_count + wanted > self._entries_max or not self._has_slot(caller.now_ms):
            return FetchView(call, is_replica=caller.is_replica)
        session = FetchSession(call, self._new_id(), caller)
        self._sessions[session.session_id] = session
        self._entry_count += len(session.entries)
        return session

    def _has_slot(self, now_ms: int) -> bool:
        if len(self._sessions) < self._sessions_max:
            return True
        oldest = next(iter(self._sessions.values()), None)
        if oldest is None or oldest.is_parked or now_ms - oldest.used_ms < IDLE_MS_MIN:
            return False
        self._drop(oldest)
        return True

    def _new_id(self) -> int:
        while (session_id := self._rng.randrange(1, 1 << 31)) in self._sessions:
            pass
        return session_id

    def _drop(self, session: FetchSession) -> None:
        del self._sessions[session.session_id]
        self._entry_count -= len(session.entries)
        session.leave()
