"""Forwarded requests: told once this image has come as far, tried again only where that is safe."""

from random import Random

import pytest

from data_plane.broker.dispatch import Session, dispatch
from data_plane.broker.forwarding import (
    IMAGE_MS_MAX,
    ForwardedAnswer,
    ForwardedFor,
    Forwarding,
    Outcome,
    Remembered,
    envelope_response,
    forwarded_for,
)
from data_plane.metadata.image import MetadataImage
from data_plane.protocol.errors import ErrorCode, KafkaError, NotController
from data_plane.protocol.headers import RequestHeader, encode_request_header, read_response_header
from data_plane.protocol.messages.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
    CreateTopicsResponse,
)
from data_plane.protocol.messages.envelope import EnvelopeRequest, EnvelopeResponse
from data_plane.protocol.schema import decode, encode
from data_plane.replication.peers import OnReply, PeerLost
from data_plane.replication.waiting import Parked
from tests.unit.data_plane.broker.world import NOW_MS, World


class Sender:
    """A broker that has sent something on; the test answers in the controller's place."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.image = MetadataImage(offset=10)
        self.controller_id: int | None = 2
        self.sent: list[tuple[int, EnvelopeRequest, OnReply]] = []
        self.peers = self
        self.forwarding = Forwarding(self, 1, Random(1))

    def request(
        self, broker_id: int, request: object, on_reply: OnReply, *, timeout_ms: int
    ) -> None:
        assert isinstance(request, EnvelopeRequest)
        assert 0 < timeout_ms <= 10_000
        self.sent.append((broker_id, request, on_reply))

    def forget(self, broker_id: int) -> None:
        raise AssertionError("only a broker hears of incarnations")

    def send(self, timeout_ms: int = 5_000) -> Parked:
        return self.forwarding.send(
            b"frame", principal="User:a", listener="TLS", host="10.0.0.1", timeout_ms=timeout_ms
        )

    def answer(self, response: object) -> None:
        self.sent[-1][2](response)

    def wait(self, ms: int) -> None:
        self.now_ms += ms
        self.forwarding.step(self.now_ms)


def test_an_answer_waits_until_this_broker_has_seen_as_much() -> None:
    sender = Sender()
    parked = sender.send()
    [(target, request, _)] = sender.sent
    about = forwarded_for(request)
    assert (target, request.request_data, request.client_host_address) == (2, b"frame", b"10.0.0.1")
    assert (about.principal, about.listener, about.is_again) == ("User:a", "TLS", False)
    sender.answer(envelope_response(b"answer", metadata_offset=11))
    assert not parked.is_done
    sender.image = MetadataImage(offset=11)
    sender.wait(0)
    assert parked.response == ForwardedAnswer(b"answer")


def test_what_was_not_decided_is_sent_to_the_next_controller_as_new() -> None:
    sender = Sender()
    parked = sender.send()
    sender.answer(EnvelopeResponse(error_code=ErrorCode.NOT_CONTROLLER))
    sender.controller_id = None
    sender.wait(50)
    assert len(sender.sent) == 1, "nobody to ask"
    sender.controller_id = 3
    sender.wait(50)
    assert sender.sent[-1][0] == 3
    assert not forwarded_for(sender.sent[-1][1]).is_again
    sender.answer(envelope_response(b"answer", 10))
    assert parked.response == ForwardedAnswer(b"answer")


def test_what_was_lost_is_sent_again_under_its_number() -> None:
    sender = Sender()
    sender.send()
    first = forwarded_for(sender.sent[0][1])
    sender.answer(PeerLost("reset"))
    sender.wait(50)
    again = forwarded_for(sender.sent[1][1])
    assert (again.life, again.number, again.is_again) == (first.life, first.number, True)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (EnvelopeResponse(error_code=ErrorCode.NOT_CONTROLLER), ErrorCode.NOT_CONTROLLER),
        (PeerLost(), ErrorCode.REQUEST_TIMED_OUT),
    ],
)
def test_at_its_deadline_only_what_was_not_done_is_told_as_that(
    answer: object, code: ErrorCode
) -> None:
    sender = Sender()
    parked = sender.send(timeout_ms=500)
    sender.answer(answer)
    sender.wait(600)
    assert isinstance(parked.response, KafkaError)
    assert parked.response.code == code


def test_an_image_that_never_comes_holds_up_an_answer_until_its_deadline() -> None:
    sender = Sender()
    parked = sender.send(timeout_ms=500)
    sender.answer(envelope_response(b"answer", 99))
    sender.wait(499)
    assert not parked.is_done
    assert sender.forwarding.next_due_ms == 1_500
    sender.wait(1)
    assert parked.response == ForwardedAnswer(b"answer")


def test_a_patient_client_is_not_kept_from_what_was_decided_by_an_image_that_stands_still() -> None:
    """A broker whose disk is full applies no metadata; its clients wait a minute for anything."""
    sender = Sender()
    parked = sender.send(timeout_ms=60_000)
    sender.answer(envelope_response(b"answer", 99))
    sender.wait(IMAGE_MS_MAX - 1)
    assert not parked.is_done
    sender.wait(1)
    assert parked.response == ForwardedAnswer(b"answer")


def about(number: int = 1, *, is_again: bool = False) -> ForwardedFor:
    return ForwardedFor("User:ANONYMOUS", "PLAINTEXT", 2, 5, number, is_again)


def test_copies_of_one_request_are_carried_out_once_and_answered_alike() -> None:
    remembered = Remembered()
    told: list[Outcome] = []
    assert remembered.begin(about(), told.append)
    assert not remembered.begin(about(is_again=True), told.append)
    answer = EnvelopeResponse(b"x")
    remembered.end(about(), answer)
    assert not remembered.begin(about(is_again=True), told.append)
    assert told == [answer] * 3


def test_what_was_not_decided_here_may_come_again() -> None:
    remembered = Remembered()
    told: list[Outcome] = []
    assert remembered.begin(about(), told.append)
    remembered.end(about(), NotController())
    assert remembered.begin(about(), told.append)


def create_in(world: World, name: str, forwarded: ForwardedFor) -> CreateTopicsResponse:
    """A CreateTopics that another broker has sent on, as dispatch answers it."""
    session = Session(listener="PLAINTEXT", principal="User:ANONYMOUS", client_host="")
    session.forwarded = forwarded
    head = encode_request_header(RequestHeader(19, 7, 3, "c"))
    request = CreateTopicsRequest([CreateTopicsRequestTopic(name, 1, 1)])
    reply = dispatch(world.broker, session, memoryview(head + encode(request, 7)), NOW_MS)
    world.broker.end_turn(NOW_MS)
    assert reply is not None
    whole = b"".join(bytes(part) for part in reply.take())
    _, at = read_response_header(19, 7, whole)
    return decode(CreateTopicsResponse, 7, whole, at)


def test_an_error_of_a_second_copy_may_be_the_firsts_doing_and_is_not_told() -> None:
    """TOPIC_ALREADY_EXISTS because of one's own retry would be a lie."""
    world = World()

    def code(name: str, forwarded: ForwardedFor) -> int:
        (row,) = create_in(world, name, forwarded).topics
        return int(row.error_code)

    assert code("t", about()) == ErrorCode.NONE
    assert code("t", about(2)) == ErrorCode.TOPIC_ALREADY_EXISTS
    assert code("t", about(1, is_again=True)) == ErrorCode.REQUEST_TIMED_OUT
    assert code("u", about(3, is_again=True)) == ErrorCode.NONE
