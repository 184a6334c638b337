"""Fetch sessions (KIP-227): numbering, what an incremental answer lists, slots, costs."""

from collections.abc import Sequence

import pytest

from data_plane.broker.config import Limits
from data_plane.broker.fetch_sessions import IDLE_MS_MIN
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.create_acls import CreateAclsRequest, CreateAclsRequestCreation
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.fetch import (
    FetchRequest,
    FetchRequestForgottenTopic,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponse,
)
from data_plane.replication.partition import Partition
from tests.unit.data_plane.broker.world import Asked, World, batch_of, produced

PARTITIONS = 5


class Reader:
    """A client that fetches within one session, all partitions of topic `t` from their starts."""

    def __init__(self, world: World, version: int = 12, partitions: int = PARTITIONS) -> None:
        self.world = world
        self.version = version
        self.session_id = 0
        self.epoch = 0
        self.first = dict.fromkeys(range(partitions), 0)

    def ask(
        self,
        offsets: dict[int, int] | None = None,
        *,
        forget: Sequence[int] = (),
        max_wait_ms: int = 0,
        max_bytes: int = 1 << 20,
        topic: str = "t",
    ) -> Asked:
        """The next fetch; `offsets` are the positions that have changed, all at first."""
        changed = self.first if self.epoch == 0 and offsets is None else offsets or {}
        topic_id = self.world.topic_id(topic)
        rows = [
            FetchRequestPartition(at, fetch_offset=offset, partition_max_bytes=1 << 20)
            for at, offset in changed.items()
        ]
        request = FetchRequest(
            max_wait_ms=max_wait_ms,
            max_bytes=max_bytes,
            session_id=self.session_id,
            session_epoch=self.epoch,
            topics=[FetchRequestTopic(topic, topic_id, rows)] if rows else (),
            forgotten_topics_data=(
                [FetchRequestForgottenTopic(topic, topic_id, forget)] if forget else ()
            ),
        )
        asked = self.world.ask(request, self.version)
        self.epoch += 1
        return asked

    def rows(self, asked: Asked) -> dict[int, tuple[int, int]]:
        """partition -> (error, base offset of the first batch or -1) of what was listed."""
        response: FetchResponse = asked.response()
        assert response.error_code == 0
        self.session_id = response.session_id
        return {
            row.partition_index: (
                row.error_code,
                int.from_bytes(bytes(row.records or b"")[:8], "big") if row.records else -1,
            )
            for topic in response.responses
            for row in topic.partitions
        }

    def opened(self) -> "Reader":
        assert len(self.rows(self.ask())) == len(self.first), "a full fetch tells everything"
        assert self.session_id > 0
        return self


@pytest.fixture
def world() -> World:
    made = World()
    made.create_topic("t", PARTITIONS)
    return made


def put(world: World, partition: int) -> None:
    produced(world.produce("t", batch_of(b"x"), partition=partition))


@pytest.mark.semantics("37b", "37c")
@pytest.mark.parametrize("version", [7, 12, 13, 17])
def test_an_incremental_fetch_lists_what_has_changed(world: World, version: int) -> None:
    reader = Reader(world, version).opened()
    assert reader.rows(reader.ask()) == {}
    put(world, 3)
    assert reader.rows(reader.ask()) == {3: (0, 0)}
    assert reader.rows(reader.ask()) == {3: (0, 0)}, "not consumed yet: it is there again"
    assert reader.rows(reader.ask({3: 1})) == {}


@pytest.mark.semantics("27d")
def test_a_watermark_that_moved_is_told_with_or_without_records(world: World) -> None:
    reader = Reader(world).opened()
    put(world, 1)
    assert reader.rows(reader.ask({1: 1})) == {1: (0, -1)}, "the high watermark is news"
    assert reader.rows(reader.ask()) == {}
    world.broker.partition("t", 1).log.delete_records_before(1)
    world.broker.partition("t", 1).tell_progress()
    assert reader.rows(reader.ask()) == {1: (0, -1)}, "the log start is news"
    assert reader.rows(reader.ask()) == {}


def test_a_parked_fetch_answers_when_a_partition_of_its_session_has_records(world: World) -> None:
    reader = Reader(world).opened()
    asked = reader.ask(max_wait_ms=60_000)
    assert not asked.is_answered
    put(world, 2)
    assert reader.rows(asked) == {2: (0, 0)}


def test_the_deadline_brings_an_empty_answer(world: World) -> None:
    reader = Reader(world).opened()
    asked = reader.ask(max_wait_ms=500)
    world.sleep(500)
    assert reader.rows(asked) == {}
    put(world, 0)
    assert reader.rows(reader.ask()) == {0: (0, 0)}


@pytest.mark.semantics("37e")
def test_errors_are_told_each_time_and_at_once(world: World) -> None:
    reader = Reader(world).opened()
    wrong = {4: 99}
    for offsets in (wrong, None):
        listed = reader.rows(reader.ask(offsets, max_wait_ms=60_000))
        assert listed == {4: (ErrorCode.OFFSET_OUT_OF_RANGE, -1)}
    assert reader.rows(reader.ask({4: 0})) == {4: (0, -1)}, "its recovery is news"
    assert reader.rows(reader.ask()) == {}


@pytest.mark.semantics("37g")
def test_partitions_join_and_leave_a_session(world: World) -> None:
    reader = Reader(world, partitions=2).opened()
    put(world, 4)
    assert reader.rows(reader.ask({4: 0})) == {4: (0, 0)}
    put(world, 1)
    assert reader.rows(reader.ask(forget=[4])) == {1: (0, 0)}
    put(world, 4)
    assert reader.rows(reader.ask({1: 1})) == {}
    assert reader.rows(reader.ask(forget=[0, 1])) == {}
    assert reader.session_id == 0, "an empty session is closed"


@pytest.mark.semantics("26c")
def test_what_the_limit_cut_off_comes_first_the_next_time(world: World) -> None:
    reader = Reader(world).opened()
    for partition in range(PARTITIONS):
        put(world, partition)
    seen: list[int] = []
    positions: dict[int, int] = {}
    for _ in range(PARTITIONS):
        with_records = [
            at for at, row in reader.rows(reader.ask(positions, max_bytes=1)).items() if row[1] >= 0
        ]
        assert len(with_records) == 1
        seen += with_records
        positions = {with_records[0]: 1}
    assert sorted(seen) == list(range(PARTITIONS))


@pytest.mark.semantics("37d")
@pytest.mark.parametrize("epoch", [2, 7, -5])
def test_a_wrong_epoch_is_refused(world: World, epoch: int) -> None:
    reader = Reader(world).opened()
    reader.epoch = epoch
    response = reader.ask().response()
    assert response.error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert response.session_id == 0


def test_epochs_wrap_to_one(world: World) -> None:
    reader = Reader(world).opened()
    session = next(iter(world.broker.fetch_sessions._sessions.values()))
    session.epoch = (1 << 31) - 1
    reader.epoch = 1
    assert reader.rows(reader.ask()) == {}


@pytest.mark.semantics("37d")
def test_an_unknown_session_and_anothers_session_are_not_found(world: World) -> None:
    reader = Reader(world).opened()
    world.session.principal = "User:other"
    assert reader.ask().response().error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    reader.session_id += 1
    assert reader.ask().response().error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


@pytest.mark.semantics("38c")
@pytest.mark.parametrize("versions", [(12, 13), (13, 12)])
def test_a_session_keeps_to_names_or_to_ids(world: World, versions: tuple[int, int]) -> None:
    reader = Reader(world, versions[0]).opened()
    reader.version = versions[1]
    assert reader.ask().response().error_code == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


@pytest.mark.semantics("37h")
@pytest.mark.parametrize("epoch", [0, -1])
def test_a_full_fetch_ends_the_session_it_names(world: World, epoch: int) -> None:
    reader = Reader(world).opened()
    former = reader.session_id
    reader.epoch = epoch
    listed = reader.rows(reader.ask(reader.first))
    assert len(listed) == PARTITIONS
    assert (reader.session_id > 0) is (epoch == 0)
    reader.session_id, reader.epoch = former, 1
    assert reader.ask().response().error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


@pytest.mark.semantics("27c", "38a")
@pytest.mark.parametrize(
    ("version", "code"),
    [(12, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), (13, ErrorCode.UNKNOWN_TOPIC_ID)],
)
def test_a_deleted_topic_wakes_the_session_with_its_error(
    world: World, version: int, code: ErrorCode
) -> None:
    reader = Reader(world, version).opened()
    asked = reader.ask(max_wait_ms=60_000)
    world.ask(DeleteTopicsRequest(topic_names=["t"]), 3)
    world.settle()
    assert {row[0] for row in reader.rows(asked).values()} == {code}
    world.create_topic("t", PARTITIONS)
    listed = reader.rows(reader.ask())
    if version == 12:
        assert {row[0] for row in listed.values()} == {0}, "the same name is served again"
    else:
        assert {row[0] for row in listed.values()} == {code}, "the old id stays unknown"


def test_rights_taken_away_are_noticed(world: World) -> None:
    reader = Reader(world).opened()
    deny = CreateAclsRequestCreation(2, "t", 3, "User:ANONYMOUS", "*", 3, 2)
    assert reader.rows(reader.ask()) == {}
    world.ask(CreateAclsRequest(creations=[deny]), 3)
    world.settle()
    world.broker.authorizer = type(world.broker.authorizer)(
        world.broker.image.acls.values(), super_users=frozenset()
    )
    listed = reader.rows(reader.ask())
    assert {row[0] for row in listed.values()} == {ErrorCode.TOPIC_AUTHORIZATION_FAILED}
    assert len(listed) == PARTITIONS


@pytest.mark.semantics("37f")
def test_a_full_cache_gives_only_an_idle_sessions_slot() -> None:
    world = World(limits=Limits(fetch_sessions_max=2))
    world.create_topic("t", PARTITIONS)
    first, second = Reader(world).opened(), Reader(world).opened()
    third = Reader(world)
    assert len(third.rows(third.ask())) == PARTITIONS
    assert third.session_id == 0, "served all the same, without a session"
    world.sleep(IDLE_MS_MIN)
    second.rows(second.ask())
    Reader(world).opened()
    assert first.ask().response().error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert second.rows(second.ask()) == {}
    assert len(world.broker.fetch_sessions) == 2


def test_the_partitions_of_all_sessions_together_are_limited() -> None:
    world = World(limits=Limits(fetch_session_partitions_max=PARTITIONS + 1))
    world.create_topic("t", PARTITIONS)
    reader = Reader(world, partitions=PARTITIONS - 1).opened()
    other = Reader(world)
    other.rows(other.ask())
    assert other.session_id == 0
    more = {PARTITIONS - 1: 0, 70: 0, 71: 0}
    assert reader.ask(more).response().error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    Reader(world).opened()


def test_a_session_that_is_gone_is_forgotten_by_its_partitions(world: World) -> None:
    reader = Reader(world).opened()
    reader.epoch = -1
    reader.rows(reader.ask(reader.first))
    assert not any(partition._progress for partition in world.broker.open_partitions())


def test_an_incremental_fetch_costs_what_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads are counted, not timed: two of the partitions have news, so two are read."""
    reader = Reader(world).opened()
    reads: list[int] = []
    whole = Partition.read

    def counted(self: Partition, *args: int, **more: int) -> object:
        reads.append(self.index)
        return whole(self, *args, **more)  # type: ignore[arg-type]  # made up by the test

    monkeypatch.setattr(Partition, "read", counted)
    assert reader.rows(reader.ask()) == {}
    assert reads == []
    put(world, 0)
    put(world, 4)
    assert set(reader.rows(reader.ask())) == {0, 4}
    assert sorted(reads) == [0, 4]


def test_a_lost_answer_does_not_disturb_the_next_parked_fetch(world: World) -> None:
    """The first fetch was given up by its client, its deadline comes while the second waits."""
    reader = Reader(world).opened()
    lost = reader.ask(max_wait_ms=100)
    kept = reader.ask(max_wait_ms=60_000)
    world.sleep(100)
    assert lost.is_answered
    put(world, 2)
    assert reader.rows(kept) == {2: (0, 0)}
