"""The conversation before dispatch: what each state answers, and that nothing else gets through."""

import random
import struct
from pathlib import Path
from random import Random
from typing import Any

import pytest

from data_plane.broker.broker import Broker
from data_plane.broker.config import BrokerConfig
from data_plane.broker.dispatch import CloseConnection, Session, dispatch
from data_plane.broker.reply import Reply
from data_plane.broker.startup import open_broker
from data_plane.log.memory_files import MemoryFiles
from data_plane.metadata.decision import Decision
from data_plane.metadata.records import (
    BrokerListener,
    RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
)
from data_plane.protocol.api_keys import API_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.headers import encode_response_header
from data_plane.protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from data_plane.protocol.messages.sasl_handshake import SaslHandshakeRequest
from data_plane.protocol.schema import decoder, encode
from data_plane.replication.executor import InlineExecutor
from data_plane.security.backoff import FailureDelays
from data_plane.security.scram import Mechanism
from data_plane.server.sasl_exchange import SaslExchange, State
from tests.unit.data_plane.security.scram_client import SECRET, ScramClient, credential

NOW_MS = 1_000_000
PASSWORD = "open, sesame="


class Client:
    """One connection to a broker on memory files, with a SASL listener; time is `now_ms`."""

    def __init__(self, lifetime_ms: int = 0) -> None:
        self.now_ms = NOW_MS
        self.broker = opened(lifetime_ms)
        self.session = Session(
            listener="SASL",
            principal="User:ANONYMOUS",
            client_host="10.0.0.9",
            is_authenticated=False,
        )
        self.exchange = SaslExchange(
            self.broker,
            self.session,
            ("SCRAM-SHA-256", "SCRAM-SHA-512"),
            secret=SECRET,
            delays=FailureDelays(100),
        )

    def ask(self, request: Any, version: int) -> Any:
        """The response, once it is there; None where dispatch is to answer."""
        key = next(spec for spec in API_KEYS.values() if spec.request is type(request))
        reply = self.exchange.take(frame(key.key, version, encode(request, version)), self.now_ms)
        if reply is None:
            return None
        head = len(encode_response_header(key.key, version, 7))
        return decoder(key.response, version)(memoryview(self.taken(reply)), head)[0]

    def taken(self, reply: Reply) -> bytes:
        if not reply.is_ready:
            assert reply.mutes, "a refusal is waited for"
            self.now_ms += 100
            self.broker.tick(self.now_ms)
        return b"".join(map(bytes, reply.take()))

    def handshake(self, mechanism: str = "SCRAM-SHA-256", version: int = 1) -> Any:
        return self.ask(SaslHandshakeRequest(mechanism), version)

    def token(self, token: bytes, version: int = 2) -> Any:
        return self.ask(SaslAuthenticateRequest(token), version)

    def log_in(self, user: str = "alice", password: str = PASSWORD, version: int = 2) -> Any:
        """Handshake and both tokens; the last response."""
        scram = ScramClient(user, password)
        assert self.handshake().error_code == 0
        first = self.token(scram.first, version)
        return self.token(scram.final(first.auth_bytes), version)


def opened(lifetime_ms: int = 0) -> Broker:
    config = BrokerConfig(
        data_dir=Path("/data"),
        cluster_id="c1",
        static_configs={"connections.max.reauth.ms": str(lifetime_ms)},
    )
    broker = open_broker(
        config,
        MemoryFiles(),
        InlineExecutor(),
        listeners=(BrokerListener("SASL", "127.0.0.1", 9092),),
        rng=Random(1),
        now_ms=NOW_MS,
        boot_id="boot",
        on_failure=lambda error: None,
    )
    records = [user_record(name) for name in ("alice", "bob")]
    broker.decide(lambda _: Decision(None, records))
    broker.end_turn(NOW_MS)
    return broker


def user_record(name: str) -> UserScramCredentialRecord:
    made = credential(PASSWORD)
    return UserScramCredentialRecord(
        name,
        Mechanism.SCRAM_SHA_256,
        made.salt,
        made.stored_key,
        made.server_key,
        made.iterations,
    )


def frame(key: int, version: int, body: bytes = b"") -> memoryview:
    """A request as it stands in the receive buffer; headers of flexible versions have tags."""
    tags = b"\0" if version >= API_KEYS[key].flexible_from else b""
    return memoryview(struct.pack(">hhih", key, version, 7, -1) + tags + body)


def raw(client: Client, token: bytes) -> bytes:
    reply = client.exchange.take(memoryview(token), client.now_ms)
    assert reply is not None
    return client.taken(reply)


@pytest.mark.semantics("85b")
def test_a_proof_opens_the_connection_under_the_users_name() -> None:
    client = Client()
    response = client.log_in()
    assert (response.error_code, response.session_lifetime_ms) == (0, 0)
    assert response.auth_bytes.startswith(b"v=")
    assert client.session.is_authenticated
    assert client.session.principal == "User:alice"
    assert client.exchange.take(frame(3, 1), client.now_ms) is None, "dispatch has it from here"


@pytest.mark.semantics("85c")
def test_the_handshake_lists_mechanisms_and_refuses_others() -> None:
    client = Client()
    response = client.handshake("PLAIN")
    assert response.error_code == ErrorCode.UNSUPPORTED_SASL_MECHANISM
    assert list(response.mechanisms) == ["SCRAM-SHA-256", "SCRAM-SHA-512"]
    assert client.exchange.state is State.REFUSED
    with pytest.raises(CloseConnection):
        client.handshake()


@pytest.mark.semantics("86f")
@pytest.mark.parametrize("version", range(3))
def test_a_wrong_password_is_told_late_and_closes(version: int) -> None:
    client = Client()
    scram = ScramClient("alice", "guessed")
    client.handshake()
    first = client.token(scram.first, version)
    request = SaslAuthenticateRequest(scram.final(first.auth_bytes))
    reply = client.exchange.take(frame(36, version, encode(request, version)), client.now_ms)
    assert reply is not None
    assert (reply.is_ready, reply.is_last) == (False, True)
    client.broker.tick(client.now_ms + 99)
    assert not reply.is_ready, "the delay is the listener's, not the client's choice"
    body = client.taken(reply)
    assert struct.pack(">h", ErrorCode.SASL_AUTHENTICATION_FAILED) in body
    assert not client.session.is_authenticated


@pytest.mark.semantics("86e")
def test_unknown_users_hear_the_same_words_as_wrong_passwords() -> None:
    heard = [Client().log_in(user, "guessed") for user in ("alice", "nobody")]
    assert heard[0] == heard[1]
    assert heard[0].error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
    assert "alice" not in heard[0].error_message


def test_a_user_without_this_mechanism_is_unknown_to_it() -> None:
    client = Client()
    scram = ScramClient("alice", PASSWORD, hash_name="sha512")
    client.handshake("SCRAM-SHA-512")
    first = client.token(scram.first)
    response = client.token(scram.final(first.auth_bytes))
    assert response.error_code == ErrorCode.SASL_AUTHENTICATION_FAILED


def test_a_removed_user_is_refused_from_then_on() -> None:
    client = Client()
    record = RemoveUserScramCredentialRecord("alice", Mechanism.SCRAM_SHA_256)
    client.broker.decide(lambda _: Decision(None, [record]))
    client.broker.end_turn(NOW_MS)
    assert client.log_in().error_code == ErrorCode.SASL_AUTHENTICATION_FAILED


@pytest.mark.semantics("85a")
def test_raw_tokens_follow_a_handshake_of_version_0() -> None:
    client = Client()
    scram = ScramClient("alice", PASSWORD)
    assert client.handshake(version=0).error_code == 0
    answer = raw(client, scram.final(raw(client, scram.first)))
    assert scram.is_server_proved(answer)
    assert client.session.principal == "User:alice"
    assert client.exchange.take(frame(3, 1), client.now_ms) is None


def test_a_raw_failure_closes_without_a_word() -> None:
    client = Client()
    client.handshake(version=0)
    with pytest.raises(CloseConnection):
        raw(client, b"\0alice\0secret")
    assert not client.session.is_authenticated


@pytest.mark.parametrize("key", sorted(set(range(-1, 100)) - {17, 18}))
def test_before_authentication_every_other_key_closes(key: int) -> None:
    """F3: all keys enumerated, those that do not exist too; and dispatch refuses on its own."""
    client = Client()
    with pytest.raises(CloseConnection):
        client.exchange.take(memoryview(struct.pack(">hhih", key, 0, 7, -1)), NOW_MS)
    with pytest.raises(CloseConnection):
        dispatch(
            client.broker, client.session, memoryview(struct.pack(">hhih", key, 0, 7, -1)), NOW_MS
        )


@pytest.mark.parametrize("key", sorted({*API_KEYS} - {36}))
def test_between_handshake_and_proof_only_tokens_are_answered(key: int) -> None:
    client = Client()
    client.handshake()
    with pytest.raises(CloseConnection):
        client.exchange.take(frame(key, API_KEYS[key].versions[-1]), NOW_MS)


def test_api_versions_is_dispatched_before_the_handshake() -> None:
    client = Client()
    asked = frame(18, 0)
    assert client.exchange.take(asked, NOW_MS) is None
    assert dispatch(client.broker, client.session, asked, NOW_MS) is not None


def test_an_endless_opening_is_cut_off() -> None:
    client = Client()
    for _ in range(client.broker.config.limits.unauthenticated_requests_max):
        assert client.exchange.take(frame(18, 0), NOW_MS) is None
    with pytest.raises(CloseConnection):
        client.exchange.take(frame(18, 0), NOW_MS)


def test_authenticate_without_a_handshake_is_refused() -> None:
    with pytest.raises(CloseConnection):
        Client().token(b"n,,n=alice,r=x")
    client = Client()
    client.log_in()
    assert client.token(b"n,,n=alice,r=x").error_code == ErrorCode.ILLEGAL_SASL_STATE


@pytest.mark.semantics("87a", "87b", "87c")
def test_a_session_ends_unless_it_is_renewed() -> None:
    client = Client(lifetime_ms=5_000)
    assert client.log_in().session_lifetime_ms == 5_000
    client.now_ms += 4_999
    assert client.exchange.take(frame(3, 1), client.now_ms) is None
    client.now_ms += 1
    with pytest.raises(CloseConnection):
        client.exchange.take(frame(3, 1), client.now_ms)
    renewed = Client(lifetime_ms=5_000)
    renewed.log_in()
    renewed.now_ms += 9_000
    assert renewed.log_in().error_code == 0, "KIP-368: late, but the handshake is still taken"
    renewed.now_ms += 4_999
    assert renewed.exchange.take(frame(3, 1), renewed.now_ms) is None


@pytest.mark.semantics("87d")
def test_a_session_cannot_be_renewed_as_somebody_else() -> None:
    client = Client()
    client.log_in()
    assert client.log_in("bob").error_code == ErrorCode.SASL_AUTHENTICATION_FAILED
    assert client.session.principal == "User:alice"
    with pytest.raises(CloseConnection):
        client.exchange.take(frame(3, 1), client.now_ms)


def test_a_session_cannot_be_renewed_by_another_mechanism_or_raw_tokens() -> None:
    for mechanism, version in (("SCRAM-SHA-512", 1), ("SCRAM-SHA-256", 0)):
        client = Client()
        client.log_in()
        with pytest.raises(CloseConnection):
            client.handshake(mechanism, version)


def test_nothing_is_answered_while_a_renewal_is_open() -> None:
    client = Client()
    client.log_in()
    client.handshake()
    with pytest.raises(CloseConnection):
        client.exchange.take(frame(3, 1), client.now_ms)


@pytest.mark.parametrize("seed", range(50))
def test_mutated_exchanges_prove_nothing(seed: int) -> None:
    """50 honest exchanges with one token damaged: refused or closed, never open, never a crash.

    Method: flip, cut, insert or repeat bytes of one of the two tokens. One: -k "[<seed>]".
    """
    rng = random.Random(seed)
    client = Client()
    scram = ScramClient("alice", PASSWORD)
    client.handshake()
    if seed % 2:
        token = mutated(rng, scram.first)
        first = client.token(token)
        if not first.error_code:  # The damage was readable; the proof signs what was meant.
            client.token(scram.final(first.auth_bytes))
    else:
        client.token(mutated(rng, scram.final(client.token(scram.first).auth_bytes)))
    assert not client.session.is_authenticated
    assert client.exchange.state is State.REFUSED


@pytest.mark.parametrize("seed", range(200))
def test_mutated_frames_never_crash_and_never_open(seed: int) -> None:
    """Requests damaged as whole frames, headers included: an answer or a closed connection."""
    rng = random.Random(seed)
    client = Client()
    requests = (
        (17, 1, encode(SaslHandshakeRequest("SCRAM-SHA-256"), 1)),
        (36, 2, encode(SaslAuthenticateRequest(ScramClient("alice", "guessed").first), 2)),
    )
    for key, version, body in requests:
        sent = mutated(rng, bytes(frame(key, version, body)))
        try:
            reply = client.exchange.take(memoryview(sent), client.now_ms)
            assert reply is None or client.taken(reply)
        except CloseConnection:
            break
    assert not client.session.is_authenticated


def mutated(rng: random.Random, honest: bytes) -> bytes:
    """Never equal to what it was."""
    changed = bytearray(honest)
    at = rng.randrange(len(changed))
    match rng.randrange(4):
        case 0:
            changed[at] ^= 1 << rng.randrange(8)
        case 1:
            del changed[at:]
        case 2:
            changed[at:at] = rng.randbytes(rng.randrange(1, 9))
        case _:
            changed[at:at] = changed[at : at + rng.randrange(1, 9)]
    return bytes(changed)
