"""Who is copied in which session: what is far behind is kept apart from what is in sync."""

from pathlib import PurePath
from uuid import UUID

from data_plane.log.failures import DamagedLog
from data_plane.log.log_config import LogConfig
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.partition_log import PartitionLog
from data_plane.metadata.records import CommitMode, PartitionRecord
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestReplicaState,
    FetchResponse,
    FetchResponseEpochEndOffset,
    FetchResponsePartition,
    FetchResponseTopic,
)
from data_plane.protocol.records.batch import assign
from data_plane.replication.fetcher import FAR_BEHIND_BYTES, Fetchers
from data_plane.replication.follower import (
    BEHIND_SESSION,
    PLAIN_SESSION,
    SYNCED_SESSION,
    Follower,
)
from data_plane.replication.peers import OnReply, PeerLost
from tests.unit.data_plane.broker.world import NOW_MS, batch_of

TOPIC_ID = UUID(int=1)
EPOCH = 5
LARGE, SMALL = bytes(FAR_BEHIND_BYTES), b"value"


class HeldPeers:
    """What was asked, by leader and session, until it is answered."""

    def __init__(self) -> None:
        self.asked: dict[tuple[int, str], tuple[FetchRequest, OnReply]] = {}

    def request(
        self, broker_id: int, request: object, on_reply: OnReply, *, timeout_ms: int
    ) -> None:
        del timeout_ms
        assert isinstance(request, FetchRequest)
        at = (broker_id, request.rack_id)
        assert at not in self.asked, "one request under way in each session"
        self.asked[at] = (request, on_reply)

    def forget(self, broker_id: int) -> None:
        """Nothing is ever lost."""


class Copier:
    """A broker that does nothing but copy two partitions of leader 0."""

    now_ms = NOW_MS
    replica_state = FetchRequestReplicaState(2, 1)
    may_copy = True

    def __init__(self, mode: CommitMode = CommitMode.SPREAD) -> None:
        self.peers = HeldPeers()
        self.fetchers = Fetchers(self.peers, self)
        self.mode = mode
        self.lost: list[tuple[int, str]] = []
        self.followers = [self._follower(index) for index in range(2)]

    def _follower(self, index: int) -> Follower:
        directory = PurePath(f"/log-{index}")
        log = PartitionLog.create(MemoryFiles(), directory, LogConfig(), now_ms=NOW_MS)
        return Follower("t", TOPIC_ID, self.row(index), log, 0)

    def row(self, index: int, leader: int = 0) -> PartitionRecord:
        return PartitionRecord(
            TOPIC_ID, index, (0, 1, 2), (0, 1), leader, EPOCH, 0, commit_mode=self.mode
        )

    def follow(self, *, is_in_isr: bool) -> None:
        for follower in self.followers:
            self.fetchers.follow(follower, is_in_isr=is_in_isr)
        self.fetchers.step(self.now_ms)

    def copied(self, follower: Follower) -> None:
        """Syncs are of no matter here, except that a `synced` session would wait for them."""
        ticket = follower.log.sync_ticket()
        ticket.run()
        follower.complete_sync(ticket)

    def stopped(self, follower: Follower, why: str) -> None:
        raise AssertionError(why)

    def unreadable(self, follower: Follower, error: DamagedLog) -> None:
        self.lost.append((follower.index, error.message))

    def fail(self, error: BaseException) -> None:
        raise error

    def answer(self, session: str, index: int, value: bytes, *, is_all: bool, at: int = 0) -> None:
        """One record for one partition; is_all: the leader has no more that is committed."""
        _, on_reply = self.peers.asked.pop((at, session))
        end = self.followers[index].log.log_end_offset
        batch = bytearray(batch_of(value))
        assign(batch, 0, end, EPOCH)
        row = FetchResponsePartition(
            index, high_watermark=end + 1 if is_all else end + 100, records=bytes(batch)
        )
        on_reply(
            FetchResponse(
                session_id=7, responses=[FetchResponseTopic(topic_id=TOPIC_ID, partitions=[row])]
            )
        )
        self.fetchers.step(self.now_ms)

    def asks(self, session: str, at: int = 0) -> tuple[dict[int, int], list[int]]:
        """Return what the request under way asks for, offsets by partition, and what it forgets."""
        request, _ = self.peers.asked[at, session]
        offsets = {
            row.partition: row.fetch_offset for one in request.topics for row in one.partitions
        }
        return offsets, [index for one in request.forgotten_topics_data for index in one.partitions]


def test_who_is_far_behind_has_a_session_of_its_own_until_it_has_caught_up() -> None:
    copier = Copier()
    copier.follow(is_in_isr=False)
    assert copier.asks(PLAIN_SESSION) == ({0: 0, 1: 0}, [])
    copier.answer(PLAIN_SESSION, 0, LARGE, is_all=False)
    assert copier.asks(PLAIN_SESSION) == ({}, [0])
    assert copier.asks(BEHIND_SESSION) == ({0: 1}, [])
    copier.answer(BEHIND_SESSION, 0, SMALL, is_all=False)
    assert copier.asks(BEHIND_SESSION) == ({0: 2}, []), (
        "an answer that was cut short proves nothing"
    )
    copier.answer(BEHIND_SESSION, 0, LARGE, is_all=True)
    assert copier.asks(BEHIND_SESSION) == ({0: 3}, []), "until it can be asked for in the other one"
    copier.answer(PLAIN_SESSION, 1, SMALL, is_all=True)
    assert copier.asks(PLAIN_SESSION) == ({0: 3, 1: 1}, [])
    copier.answer(BEHIND_SESSION, 0, SMALL, is_all=True)
    assert copier.followers[0].log.log_end_offset == 3, "what comes of it there is left alone"
    assert copier.peers.asked.keys() == {(0, PLAIN_SESSION)}, "nobody is left to ask for there"


def test_what_is_large_and_the_last_is_not_far_behind() -> None:
    copier = Copier()
    copier.follow(is_in_isr=False)
    copier.answer(PLAIN_SESSION, 0, LARGE, is_all=True)
    assert copier.peers.asked.keys() == {(0, PLAIN_SESSION)}


def test_who_is_in_the_isr_is_not_put_among_those_far_behind() -> None:
    """Its writers would wait behind the backlog of others."""
    copier = Copier()
    copier.follow(is_in_isr=True)
    copier.answer(PLAIN_SESSION, 0, LARGE, is_all=False)
    assert copier.asks(PLAIN_SESSION) == ({0: 1}, [])
    assert copier.peers.asked.keys() == {(0, PLAIN_SESSION)}


def test_one_that_came_into_the_isr_comes_back_without_a_pause() -> None:
    copier = Copier()
    copier.follow(is_in_isr=False)
    copier.answer(PLAIN_SESSION, 0, LARGE, is_all=False)
    copier.follow(is_in_isr=True)
    copier.answer(BEHIND_SESSION, 0, SMALL, is_all=True)
    assert copier.asks(BEHIND_SESSION) == ({0: 2}, [])
    copier.answer(PLAIN_SESSION, 1, SMALL, is_all=True)
    assert copier.asks(PLAIN_SESSION)[0] == {0: 2, 1: 1}


def test_one_that_is_led_elsewhere_meanwhile_does_not_come_back() -> None:
    copier = Copier()
    copier.follow(is_in_isr=False)
    copier.answer(PLAIN_SESSION, 0, LARGE, is_all=False)
    copier.answer(BEHIND_SESSION, 0, SMALL, is_all=True)
    follower = copier.followers[0]
    follower.apply(copier.row(0, leader=1), copier.mode)
    copier.fetchers.follow(follower, is_in_isr=False)
    copier.answer(PLAIN_SESSION, 1, SMALL, is_all=True)
    assert copier.asks(PLAIN_SESSION) == ({1: 1}, [])
    assert copier.asks(PLAIN_SESSION, at=1) == ({0: 2}, [])


def test_who_was_invited_waits_for_a_leader_that_is_lost() -> None:
    """Nobody else is left in the session then: when it is due must be told all the same."""
    copier = Copier()
    copier.follow(is_in_isr=False)
    copier.answer(PLAIN_SESSION, 0, LARGE, is_all=False)
    copier.answer(BEHIND_SESSION, 0, SMALL, is_all=True)
    copier.fetchers.unfollow(copier.followers[1])
    _, on_reply = copier.peers.asked.pop((0, PLAIN_SESSION))
    on_reply(PeerLost("the leader is away"))
    due_ms = copier.fetchers.next_due_ms
    assert due_ms is not None
    assert due_ms > copier.now_ms
    copier.fetchers.step(due_ms)
    assert copier.asks(PLAIN_SESSION) == ({0: 2}, [])


def test_a_synced_session_keeps_all_of_its_own() -> None:
    copier = Copier(CommitMode.SYNCED)
    copier.follow(is_in_isr=False)
    copier.answer(SYNCED_SESSION, 0, LARGE, is_all=False)
    assert copier.peers.asked.keys() == {(0, SYNCED_SESSION)}


def test_news_of_a_partition_leaves_it_in_its_session_and_another_leader_does_not() -> None:
    copier = Copier()
    copier.follow(is_in_isr=False)
    copier.answer(PLAIN_SESSION, 0, LARGE, is_all=False)
    follower = copier.followers[0]
    copier.fetchers.follow(follower, is_in_isr=False)
    copier.answer(BEHIND_SESSION, 0, SMALL, is_all=False)
    assert copier.asks(BEHIND_SESSION) == ({0: 2}, [])
    follower.apply(copier.row(0, leader=1), copier.mode)
    copier.fetchers.follow(follower, is_in_isr=False)
    copier.fetchers.step(copier.now_ms)
    assert copier.asks(PLAIN_SESSION, at=1) == ({0: 2}, [])
    copier.answer(BEHIND_SESSION, 0, SMALL, is_all=False)
    assert follower.log.log_end_offset == 2, "the answer of the leader before changes nothing"


def test_a_log_that_cannot_be_read_is_not_cut_and_the_others_are_copied_on() -> None:
    copier = Copier()
    copier.follow(is_in_isr=True)
    for index in (0, 0, 1):
        copier.answer(PLAIN_SESSION, index, SMALL, is_all=True)
    log = copier.followers[0].log
    files = log._files
    assert isinstance(files, MemoryFiles)
    before = files.size_bytes(log.segments[0].log_path)
    log.segments[0]._offset_index = None  # As of one that has not been used since a start.
    files.unreadable.add(str(log.directory))
    _, on_reply = copier.peers.asked.pop((0, PLAIN_SESSION))
    row = FetchResponsePartition(
        0, high_watermark=0, diverging_epoch=FetchResponseEpochEndOffset(EPOCH, 1)
    )
    copier.followers[0].high_watermark = 0
    topic = FetchResponseTopic(topic_id=TOPIC_ID, partitions=[row])
    on_reply(FetchResponse(session_id=7, responses=[topic]))
    copier.fetchers.step(copier.now_ms)
    assert copier.lost == [(0, "read: Input/output error")]
    assert (log.log_end_offset, files.size_bytes(log.segments[0].log_path)) == (2, before)
    copier.answer(PLAIN_SESSION, 1, SMALL, is_all=True)
    assert copier.followers[1].log.log_end_offset == 2
