"""One connection's SASL conversation: nothing passes to dispatch that this table does not let.

    HANDSHAKE   nothing is proved yet: ApiVersions, or SaslHandshake to choose a mechanism
    RAW_TOKENS  after SaslHandshake v0: frames are tokens, without any Kafka header
    TOKENS      after SaslHandshake v1: SaslAuthenticate, and nothing else
    OPEN        authenticated: everything, until the session ends
    RENEWING    SaslHandshake v1 on a live session: SaslAuthenticate, and nothing else (KIP-368)
    REFUSED     the last reply is on its way

Every request that is not in a state's row closes the connection; so does any failure, after a
delay during which nothing is read (KIP-306). Sources: KIP-43, KIP-84, KIP-152, KIP-368.
"""

import logging
from base64 import b64encode
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any

from data_plane.broker.admin_access import broker_number, config_scope
from data_plane.broker.broker import Broker
from data_plane.broker.dispatch import CloseConnection, Session
from data_plane.broker.reply import Parts, Reply
from data_plane.protocol.api_keys import API_KEYS, API_VERSIONS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.headers import encode_response_header, read_request_header
from data_plane.protocol.messages.sasl_authenticate import SaslAuthenticateResponse
from data_plane.protocol.messages.sasl_handshake import SaslHandshakeResponse
from data_plane.protocol.primitives import INT16, DecodeError
from data_plane.protocol.schema import decoder, encoder
from data_plane.replication.waiting import Parked
from data_plane.security.backoff import FailureDelays
from data_plane.security.principals import USER_PREFIX
from data_plane.security.scram import (
    MECHANISMS,
    SERVER_NONCE_BYTES,
    Mechanism,
    ScramCredential,
    ScramFailed,
    ScramServer,
)

log = logging.getLogger(__name__)

SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36
RAW_TOKENS_VERSION = 0


class State(Enum):
    HANDSHAKE = auto()
    RAW_TOKENS = auto()
    TOKENS = auto()
    OPEN = auto()
    RENEWING = auto()
    REFUSED = auto()


# Which API keys each state answers; OPEN answers all, RAW_TOKENS knows no keys.
ANSWERED: dict[State, frozenset[int]] = {
    State.HANDSHAKE: frozenset({API_VERSIONS, SASL_HANDSHAKE}),
    State.RAW_TOKENS: frozenset(),
    State.TOKENS: frozenset({SASL_AUTHENTICATE}),
    State.RENEWING: frozenset({SASL_AUTHENTICATE}),
    State.REFUSED: frozenset(),
}

Encode = Callable[[object], Parts]


class SaslExchange:
    """Stands before dispatch on a listener with SASL; changes `session` once a proof is good."""

    def __init__(
        self,
        broker: Broker,
        session: Session,
        mechanisms: Sequence[str],
        *,
        secret: bytes,
        delays: FailureDelays,
    ) -> None:
        self._broker = broker
        self._session = session
        self._mechanisms = mechanisms
        self._secret = secret
        self._delays = delays
        self.state = State.HANDSHAKE
        self._requests = 0  # before authentication
        self._mechanism: Mechanism | None = None
        self._scram: ScramServer | None = None
        self._has_first = False
        self._expires_ms: int | None = None

    def take(self, frame: memoryview, now_ms: int) -> Reply | None:
        """Answer a frame that belongs to the exchange; None: dispatch may have it.

        Raises CloseConnection.
        """
        if self.state is State.OPEN:
            key = INT16.unpack_from(frame)[0] if len(frame) >= INT16.size else -1
            if key not in (SASL_HANDSHAKE, SASL_AUTHENTICATE):
                self._check_lifetime(now_ms)
                return None
        else:
            self._count()
        if self.state is State.RAW_TOKENS:
            return self._raw_token(frame, now_ms)
        try:
            return self._request(frame, now_ms)
        except DecodeError as error:
            raise CloseConnection(f"in state {self.state.name}: {error}") from error

    def _check_lifetime(self, now_ms: int) -> None:
        if self._expires_ms is not None and now_ms >= self._expires_ms:
            raise CloseConnection("the session has ended and was not renewed")

    def _count(self) -> None:
        if self._session.is_authenticated:
            return
        self._requests += 1
        if self._requests > self._broker.config.limits.unauthenticated_requests_max:
            raise CloseConnection("too many requests before authentication")

    def _request(self, frame: memoryview, now_ms: int) -> Reply | None:
        header, at = read_request_header(frame)
        if self.state is not State.OPEN and header.api_key not in ANSWERED[self.state]:
            raise CloseConnection(f"API key {header.api_key} in state {self.state.name}")
        if header.api_key == API_VERSIONS:
            return None
        spec = API_KEYS[header.api_key]
        if header.api_version not in spec.versions:
            raise CloseConnection(f"{spec.name} v{header.api_version} is not served")
        head = encode_response_header(header.api_key, header.api_version, header.correlation_id)
        encode_body = encoder(spec.response, header.api_version)
        request: Any = decoder(spec.request, header.api_version)(frame, at)[0]

        def encode(response: object) -> Parts:
            return (head, encode_body(response))

        if header.api_key == SASL_HANDSHAKE:
            return self._handshake(request.mechanism, header.api_version, encode, now_ms)
        return self._authenticate(request.auth_bytes, encode, now_ms)

    # --- choosing a mechanism ------------------------------------------------------------------

    def _handshake(self, name: str, version: int, encode: Encode, now_ms: int) -> Reply:
        is_renewal = self.state is State.OPEN
        if is_renewal and version == RAW_TOKENS_VERSION:
            raise CloseConnection("a session is renewed by SaslHandshake v1 and up")
        mechanism = MECHANISMS.get(name) if name in self._mechanisms else None
        if mechanism is None:
            log.info("SASL mechanism refused to %s", self._session.client_host)
            return self._refuse(
                encode,
                SaslHandshakeResponse(ErrorCode.UNSUPPORTED_SASL_MECHANISM, self._mechanisms),
                now_ms,
            )
        if is_renewal and mechanism is not self._mechanism:
            raise CloseConnection("a session is renewed by the mechanism it began with")
        self._mechanism = mechanism
        nonce = b64encode(self._broker.rng.randbytes(SERVER_NONCE_BYTES)).decode()
        self._scram = ScramServer(mechanism, self._find, secret=self._secret, nonce=nonce)
        self._has_first = False
        if is_renewal:
            self.state = State.RENEWING
        else:
            self.state = State.TOKENS if version > RAW_TOKENS_VERSION else State.RAW_TOKENS
        return Reply(encode(SaslHandshakeResponse(mechanisms=self._mechanisms)), None, None)

    def _find(self, user: str) -> ScramCredential | None:
        assert self._mechanism is not None, "a handshake came before"
        found = self._broker.image.scram_credentials.get((user, self._mechanism))
        if found is None:
            return None
        return ScramCredential(found.salt, found.stored_key, found.server_key, found.iterations)

    # --- tokens --------------------------------------------------------------------------------

    def _authenticate(self, token: bytes, encode: Encode, now_ms: int) -> Reply:
        if self.state is State.OPEN:
            out_of_turn = SaslAuthenticateResponse(
                ErrorCode.ILLEGAL_SASL_STATE, "SaslHandshake comes first."
            )
            return Reply(encode(out_of_turn), None, None)
        try:
            answer, lifetime_ms = self._step(token, now_ms)
        except ScramFailed as error:
            return self._refuse(encode, self._failure(error), now_ms)
        response = SaslAuthenticateResponse(auth_bytes=answer, session_lifetime_ms=lifetime_ms)
        return Reply(encode(response), None, None)

    def _raw_token(self, frame: memoryview, now_ms: int) -> Reply:
        """A token without a header: its answer has none either, and failing has no answer."""
        try:
            answer, _ = self._step(bytes(frame), now_ms)
        except ScramFailed as error:
            return self._refuse(_close_instead, self._failure(error), now_ms)
        return Reply((answer,), None, None)

    def _step(self, token: bytes, now_ms: int) -> tuple[bytes, int]:
        """Return the answer to a token and the session's lifetime. Raises ScramFailed."""
        assert self._scram is not None, "a handshake came before"
        if not self._has_first:
            self._has_first = True
            return self._scram.first(token), 0
        user, answer = self._scram.final(token)
        return answer, self._opened(USER_PREFIX + user, now_ms)

    def _opened(self, principal: str, now_ms: int) -> int:
        session = self._session
        if session.is_authenticated and principal != session.principal:
            raise ScramFailed("a session cannot be renewed as another principal")
        session.principal = principal
        session.is_authenticated = True
        self._scram = None
        self.state = State.OPEN
        scope = config_scope(self._broker, self._broker.image)
        lifetime_ms = broker_number(scope, "connections.max.reauth.ms")
        self._expires_ms = now_ms + lifetime_ms if lifetime_ms else None
        return lifetime_ms

    # --- refusing ------------------------------------------------------------------------------

    def _failure(self, error: ScramFailed) -> SaslAuthenticateResponse:
        assert self._mechanism is not None, "a handshake came before"
        name = self._mechanism.sasl_name
        log.warning("%s failed for %s: %s", name, self._session.client_host, error)
        return SaslAuthenticateResponse(
            ErrorCode.SASL_AUTHENTICATION_FAILED,
            f"Authentication failed due to invalid credentials with SASL mechanism {name}",
        )

    def _refuse(self, encode: Encode, response: object, now_ms: int) -> Reply:
        """Answer late and close: guessing costs time, ours is not spent on it."""
        self.state = State.REFUSED
        self._scram = None
        delay_ms = self._delays.after_failure(self._session.client_host, now_ms)
        parked = Parked(now_ms + delay_ms, lambda: response)
        self._broker.park(parked)
        reply = Reply(None, parked, encode)
        reply.is_last = True
        return reply


def _close_instead(_response: object) -> Parts:
    raise CloseConnection("authentication failed")
