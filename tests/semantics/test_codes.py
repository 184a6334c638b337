"""Each API answers in its own words: no code leaves that its clients do not know (item 40)."""

import random
from collections import Counter

import pytest

from data_plane.broker.dispatch import CloseConnection, dispatch
from data_plane.broker.handlers import HANDLERS
from data_plane.broker.metadata_host import MetadataHost
from data_plane.protocol.answers import CODES, in_words_of
from data_plane.protocol.api_keys import API_KEYS, INTERNAL_KEYS
from data_plane.protocol.errors import CoordinatorLoadInProgress, ErrorCode
from data_plane.protocol.headers import read_request_header, read_response_header
from data_plane.protocol.messages.delete_topics import DeleteTopicsRequest
from data_plane.protocol.messages.fetch import FetchResponse
from data_plane.protocol.messages.find_coordinator import FindCoordinatorRequest
from data_plane.protocol.messages.heartbeat import HeartbeatRequest
from data_plane.protocol.messages.init_producer_id import InitProducerIdRequest
from data_plane.protocol.messages.leave_group import LeaveGroupRequest
from data_plane.protocol.messages.sync_group import SyncGroupRequest
from data_plane.protocol.schema import decode
from tests.factories.error_codes import check_codes, codes_of
from tests.fuzz import in_process
from tests.fuzz.corpus import deep, frames
from tests.fuzz.mutators import mutated
from tests.unit.data_plane.broker.world import World, batch_of, produced

FRAMES = 4_000
FATAL_TO_FETCH = {
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.LEADER_NOT_AVAILABLE,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.NOT_CONTROLLER,
}


@pytest.mark.semantics("40a")
def test_every_api_that_is_served_has_its_list() -> None:
    assert set(HANDLERS) - INTERNAL_KEYS <= set(CODES)


@pytest.mark.semantics("40a")
def test_fetch_tells_no_code_that_stops_a_java_consumer() -> None:
    """What a consumer 4.x handles; anything else is an IllegalStateException there."""
    assert not FATAL_TO_FETCH & CODES[1]
    row = FetchResponse.__dataclass_fields__  # The walk below finds codes in rows of rows.
    assert "error_code" in row


@pytest.mark.semantics("40a")
def test_the_walk_finds_a_code_in_a_row() -> None:
    world = World()
    asked = world.produce("absent", batch_of(b"a"))
    assert ErrorCode.UNKNOWN_TOPIC_OR_PARTITION in set(codes_of(asked.response()))
    with pytest.raises(AssertionError, match="may not tell"):
        check_codes(18, asked.response())


@pytest.mark.semantics("40a")
@pytest.mark.parametrize("seed", range(2))
def test_no_frame_brings_out_a_foreign_code(seed: int) -> None:
    """Good requests of every API and version, and as many mutated ones."""
    rng = random.Random(seed)
    corpus = [*frames(), *deep()]
    world, session = in_process.new_world(), in_process.new_session()
    seen: Counter[int] = Counter()
    for at in range(FRAMES):
        frame = corpus[at] if at < len(corpus) else mutated(rng, rng.choice(corpus), corpus)
        try:
            reply = dispatch(world.broker, session, memoryview(bytearray(frame)), world.now_ms)
            world.settle()
            if reply is None or not reply.is_ready:
                continue
            answer = b"".join(bytes(part) for part in reply.take())
        except CloseConnection:
            session = in_process.new_session()
            continue
        header, _ = read_request_header(memoryview(frame))
        spec = API_KEYS[header.api_key]
        version = header.api_version if header.api_version in spec.versions else 0
        _, body_at = read_response_header(header.api_key, version, answer)
        check_codes(spec.key, decode(spec.response, version, answer[body_at:]))
        seen[spec.key] += 1
    assert len(seen) >= len(HANDLERS.keys() - INTERNAL_KEYS) - 2, "almost every API was answered"


@pytest.mark.semantics("40a", "61b")
def test_a_member_of_a_loading_group_is_told_what_it_understands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Java consumer gives up on a SyncGroup that tells of loading; REBALANCE_IN_PROGRESS has it
    join again. A heartbeat is answered as if all were well."""
    world = World()
    world.ask(FindCoordinatorRequest(key="g"), 3)
    world.settle()

    def loading(*_: object) -> None:
        raise CoordinatorLoadInProgress

    with monkeypatch.context() as patch:
        patch.setattr(type(world.broker), "group_shard", loading)
        sync = world.ask(SyncGroupRequest("g", 1, "m"), 4).response()
        assert sync.error_code == ErrorCode.REBALANCE_IN_PROGRESS
        assert world.ask(HeartbeatRequest("g", 1, "m"), 4).response().error_code == ErrorCode.NONE
        left = world.ask(LeaveGroupRequest("g", "m"), 1).response()
        assert left.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    unknown = world.ask(SyncGroupRequest("g", 1, "m"), 4).response()
    assert unknown.error_code == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.semantics("40a")
def test_without_a_controller_producers_are_asked_to_come_back() -> None:
    world = World()
    metadata = world.broker.metadata
    assert isinstance(metadata, MetadataHost)
    metadata.controller.step_down()
    for transactional_id in (None, "id"):
        if transactional_id:
            world.ask(FindCoordinatorRequest(transactional_id, 1), 3)
        answer = world.ask(InitProducerIdRequest(transactional_id, 1_000, -1, -1), 4).response()
        assert answer.error_code in {
            ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
        }
    asked = world.ask(DeleteTopicsRequest(topic_names=["t"], timeout_ms=1_000), 5).response()
    assert asked.responses[0].error_code == ErrorCode.NOT_CONTROLLER


def test_what_has_no_word_is_an_unknown_error() -> None:
    assert in_words_of(1, ErrorCode.NOT_CONTROLLER) == ErrorCode.UNKNOWN_SERVER_ERROR
    assert in_words_of(11, ErrorCode.KAFKA_STORAGE_ERROR) == ErrorCode.NOT_COORDINATOR
    assert in_words_of(0, ErrorCode.KAFKA_STORAGE_ERROR) == ErrorCode.KAFKA_STORAGE_ERROR


@pytest.mark.semantics("24d")
def test_no_leader_is_named_where_no_leader_is_the_trouble() -> None:
    world = World()
    for version in (10, 11, 12):
        row = produced(world.produce("absent", batch_of(b"a"), version=version))
        assert row.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert (row.current_leader.leader_id, row.current_leader.leader_epoch) == (-1, -1)
