"""What a broker asks of itself: the same frames through the same dispatch, without a socket."""

from typing import TYPE_CHECKING, Final

from data_plane.broker.dispatch import CloseConnection, Session, dispatch
from data_plane.broker.reply import Reply
from data_plane.protocol.api_keys import API_KEYS, versions_among_brokers
from data_plane.protocol.headers import RequestHeader, encode_request_header, read_response_header
from data_plane.protocol.schema import decoder, encoder, info_of
from data_plane.replication.peers import OnReply, PeerLost

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker

INTERNAL_LISTENER: Final = "INTERNAL"
BROKER_PRINCIPAL: Final = "User:ottla-broker"  # what every broker is to every other


def internal_session(client_host: str = "") -> Session:
    """The session of a broker of this cluster, by whatever way it has come."""
    return Session(
        listener=INTERNAL_LISTENER,
        principal=BROKER_PRINCIPAL,
        client_host=client_host,
        is_internal=True,
    )


def ask_self(broker: "Broker", request: object, on_reply: OnReply) -> None:
    """Dispatch a request to this broker; the caller ends the turn.

    Its answer may come at once or later, and is lost if it would have closed a connection.
    """
    api_key = info_of(type(request)).api_key
    version = versions_among_brokers(api_key, broker.config.ottla_version_max)[-1]
    head = encode_request_header(RequestHeader(api_key, version, 0, "self"))
    frame = memoryview(bytearray(head + bytes(encoder(type(request), version)(request))))
    try:
        reply = dispatch(broker, internal_session(), frame, broker.now_ms)
    except CloseConnection as error:
        on_reply(PeerLost(str(error)))
        return
    assert reply is not None, "brokers ask nothing without an answer"
    if reply.is_ready:
        on_reply(_answer(api_key, version, reply))
    else:
        reply.when_done(lambda _: on_reply(_answer(api_key, version, reply)))


def _answer(api_key: int, version: int, reply: Reply) -> object:
    try:
        frame = b"".join(bytes(part) for part in reply.take())
    except CloseConnection as error:
        return PeerLost(str(error))
    _, at = read_response_header(api_key, version, frame)
    response, _ = decoder(API_KEYS[api_key].response, version)(frame, at)
    return response
