"""Envelope (key 58) v0, flexible, between brokers: a client's request, forwarded (KIP-590)."""

from typing import TYPE_CHECKING

from data_plane.broker.context import RequestContext
from data_plane.broker.dispatch import CloseConnection, NotDecided, Session, dispatch
from data_plane.broker.forwarding import (
    FORWARDED,
    ForwardedFor,
    Outcome,
    envelope_response,
    forwarded_for,
)
from data_plane.protocol.errors import InvalidRequest, KafkaError, NotController
from data_plane.protocol.headers import read_request_header
from data_plane.protocol.messages.envelope import EnvelopeRequest, EnvelopeResponse
from data_plane.replication.waiting import Parked

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

API_KEY, VERSIONS = 58, range(1)


def handle(
    broker: "Broker", ctx: RequestContext, request: EnvelopeRequest
) -> EnvelopeResponse | Parked | KafkaError:
    """Answer what the client asked, as it would have been answered here.

    Raises NotController, upon which nothing was done, and InvalidRequest.
    """
    about = forwarded_for(request)
    header, _ = read_request_header(memoryview(request.request_data))
    if header.api_key not in FORWARDED:
        raise InvalidRequest(f"API key {header.api_key} is not forwarded.")
    parked = Parked()
    if broker.remembered.begin(about, lambda outcome: _answer(parked, outcome)):
        _carry_out(broker, ctx, request, about)
    return parked.response if parked.is_done else parked  # type: ignore[return-value]  # Parked is untyped


def _answer(parked: Parked, outcome: Outcome) -> None:
    parked.complete(outcome)


def _carry_out(
    broker: "Broker", ctx: RequestContext, request: EnvelopeRequest, about: ForwardedFor
) -> None:
    session = Session(
        listener=about.listener,
        principal=about.principal,
        client_host=request.client_host_address.decode(),
    )
    session.forwarded = about
    frame = memoryview(request.request_data)

    def told() -> None:
        try:
            assert reply is not None, "what is forwarded is answered"
            whole = b"".join(bytes(part) for part in reply.take())
        except NotDecided:
            broker.remembered.end(about, NotController())
        except CloseConnection as error:
            broker.remembered.end(about, KafkaError(str(error)))
        else:
            broker.remembered.end(about, envelope_response(whole, broker.image.offset))

    try:
        reply = dispatch(broker, session, frame, ctx.now_ms)
    except NotDecided:
        broker.remembered.end(about, NotController())
        return
    except CloseConnection as error:
        broker.remembered.end(about, KafkaError(str(error)))
        return
    assert reply is not None, "what is forwarded is answered"
    if reply.is_ready:
        told()
    else:
        reply.when_done(lambda _: told())
