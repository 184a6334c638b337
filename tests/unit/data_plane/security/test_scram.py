"""The server's side of SCRAM: published vectors, foreign users, and everything a liar may send."""

import hmac
import random
from base64 import b64decode, b64encode

import pytest

from data_plane.security.scram import (
    ITERATIONS_MIN,
    Mechanism,
    ScramCredential,
    ScramFailed,
    ScramServer,
    credential_from_salted_password,
    fake_credential,
    salted_password,
)
from tests.unit.data_plane.security.scram_client import SALT, SECRET, ScramClient, credential

USERS = {"alice": credential("open, sesame=")}


def server(
    users: dict[str, ScramCredential] = USERS,
    mechanism: Mechanism = Mechanism.SCRAM_SHA_256,
    nonce: str = "server-nonce",
) -> ScramServer:
    return ScramServer(mechanism, users.get, secret=SECRET, nonce=nonce)


@pytest.mark.semantics("86a", "86b", "86c")
def test_the_exchange_of_rfc_7677() -> None:
    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    salted = salted_password(Mechanism.SCRAM_SHA_256, "pencil", salt, 4096)
    user = credential_from_salted_password(Mechanism.SCRAM_SHA_256, salt, salted, 4096)
    exchange = server({"user": user}, nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    assert exchange.first(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert exchange.final(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    ) == ("user", b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.semantics("86a", "86b")
@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("gs2_header", ["n,,", "y,,", "n,a=eve=2C =3D,"])
def test_both_sides_prove_themselves(mechanism: Mechanism, gs2_header: str) -> None:
    users = {"eve, =": credential("open, sesame=", mechanism)}
    client = ScramClient("eve, =", "open, sesame=", hash_name=mechanism.hash_name)
    client.gs2_header = gs2_header
    exchange = server(users, mechanism)
    user, answer = exchange.final(client.final(exchange.first(client.first)))
    assert user == "eve, ="
    assert client.is_server_proved(answer)


@pytest.mark.parametrize(
    ("prefix", "is_let_in"),
    [("client-nonce", True), ("another", False), ("client-nonce" * 2, False)],
)
def test_only_its_own_nonce_may_be_said_twice(prefix: str, is_let_in: bool) -> None:
    """librdkafka before 2.6.1 does so, and kcat 1.7.1 with it."""
    client, exchange = ScramClient("alice", "secret"), server({"alice": credential("secret")})
    client.nonce_prefix = prefix
    final = client.final(exchange.first(client.first))
    if is_let_in:
        assert exchange.final(final)[0] == "alice"
    else:
        with pytest.raises(ScramFailed, match="nonce"):
            exchange.final(final)


@pytest.mark.semantics("86d")
def test_a_name_is_prepared_before_it_is_looked_up() -> None:
    """RFC 4013 3: a soft hyphen maps to nothing."""
    users = {"IX": credential("pencil")}
    client = ScramClient("I\u00adX", "pencil")
    exchange = server(users)
    assert exchange.final(client.final(exchange.first(client.first)))[0] == "IX"


@pytest.mark.semantics("86e")
def test_a_wrong_password_and_an_unknown_user_fail_alike() -> None:
    said = []
    for user in ("alice", "nobody"):
        client, exchange = ScramClient(user, "guessed"), server()
        first = exchange.first(client.first)
        assert first.endswith(b"i=%d" % ITERATIONS_MIN)
        with pytest.raises(ScramFailed) as failure:
            exchange.final(client.final(first))
        said.append(str(failure.value))
    assert said[0] == said[1]


@pytest.mark.semantics("86e")
def test_an_unknown_user_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: every HMAC and hash of the final message is done for both."""
    calls: list[bytes] = []
    real = hmac.digest

    def counting(key: bytes, message: bytes, hash_name: str) -> bytes:
        calls.append(message)
        return real(key, message, hash_name)

    monkeypatch.setattr(hmac, "digest", counting)
    counted = []
    for user in ("alice", "nobody"):
        client, exchange = ScramClient(user, "guessed"), server()
        final = client.final(exchange.first(client.first))
        calls.clear()
        with pytest.raises(ScramFailed):
            exchange.final(final)
        counted.append(len(calls))
    assert counted[0] == counted[1] > 0


def test_a_fake_salt_is_constant_per_name_and_differs_between_names() -> None:
    made = [fake_credential(Mechanism.SCRAM_SHA_256, SECRET, name).salt for name in "aab"]
    assert made[0] == made[1] != made[2]
    other = fake_credential(Mechanism.SCRAM_SHA_256, bytes(32), "a").salt
    assert other != made[0], "only the broker's secret tells which salts are fake"


def test_the_keys_of_a_fake_credential_cannot_be_logged_in_with() -> None:
    """Even who knew the secret and could forge a proof is refused: the user does not exist."""
    fake = fake_credential(Mechanism.SCRAM_SHA_256, SECRET, "nobody")
    exchange = server()
    first = exchange.first(b"n,,n=nobody,r=x")
    nonce = first.split(b",")[0]
    proof = b64encode(fake.stored_key)
    with pytest.raises(ScramFailed):
        exchange.final(b"c=biws," + nonce + b",p=" + proof)


def test_no_repr_shows_a_key() -> None:
    shown = repr(USERS["alice"])
    assert "iterations=4096" in shown
    assert repr(SALT)[2:-1] not in shown
    assert "key" not in shown


HOSTILE_FIRST = {
    "empty": b"",
    "no header": b"n=alice,r=abc",
    "binding demanded": b"p=tls-unique,,n=alice,r=abc",
    "unknown flag": b"x,,n=alice,r=abc",
    "foreign authorization id": b"n,a=root,n=alice,r=abc",
    "empty authorization id": b"n,a=,n=alice,r=abc",
    "junk authorization id": b"n,b=alice,n=alice,r=abc",
    "no user": b"n,,r=abc",
    "no nonce": b"n,,n=alice",
    "order": b"n,,r=abc,n=alice",
    "empty user": b"n,,n=,r=abc",
    "empty nonce": b"n,,n=alice,r=",
    "blank in nonce": b"n,,n=alice,r=a c",
    "control in nonce": b"n,,n=alice,r=a\x01c",
    "long nonce": b"n,,n=alice,r=" + b"x" * 1_025,
    "long name": b"n,,n=" + b"x" * 257 + b",r=abc",
    "long message": b"n,,n=alice,r=abc,x=" + b"x" * 4_096,
    "not UTF-8": b"n,,n=\xff\xfe,r=abc",
    "NUL": b"n,,n=ali\0ce,r=abc",
    "bare equals": b"n,,n=a=b,r=abc",
    "lower escape": b"n,,n=a=2c,r=abc",
    "prohibited character": "n,,n=a\u2028b,r=abc".encode(),
    "unassigned character": "n,,n=a\U000e0080,r=abc".encode(),
    "mixed directions": "n,,n=\u05d0a\u05d0,r=abc".encode(),
    "mandatory extension": b"n,,m=now,n=alice,r=abc",
    "late mandatory extension": b"n,,n=alice,r=abc,m=now",
    "delegation token": b"n,,n=alice,r=abc,tokenauth=true",
    "no name of attribute": b"n,,n=alice,r=abc,=x",
    "json": b'{"user":"alice"}',
    "plain": b"\0alice\0secret",
}


@pytest.mark.parametrize("message", HOSTILE_FIRST.values(), ids=HOSTILE_FIRST.keys())
def test_a_hostile_first_message_ends_the_exchange(message: bytes) -> None:
    exchange = server()
    with pytest.raises(ScramFailed):
        exchange.first(message)


def edited(old: bytes, new: bytes) -> "dict[str, bytes]":
    return {"old": old, "new": new}


HOSTILE_FINAL = {
    "no proof": edited(b",p=", b",q="),
    "foreign binding": edited(b"c=biws", b"c=eSws"),
    "binding of a channel": edited(b"c=biws", b"c=cD10bHMtdW5pcXVlLCw="),
    "binding not base64": edited(b"c=biws", b"c=!!!!"),
    "binding left out": edited(b"c=biws,", b""),
    "nonce left out": edited(b"r=client-nonceserver-nonce,", b""),
    "only the client's nonce": edited(b"r=client-nonceserver-nonce", b"r=client-nonce"),
    "only the server's nonce": edited(b"r=client-nonceserver-nonce", b"r=server-nonce"),
    "another nonce": edited(b"server-nonce", b"Server-nonce"),
    "longer nonce": edited(b"server-nonce", b"server-nonce1"),
    "empty nonce": edited(b"r=client-nonceserver-nonce", b"r="),
    "order": edited(b"c=biws,r=client-nonceserver-nonce", b"r=client-nonceserver-nonce,c=biws"),
    "mandatory extension": edited(b",p=", b",m=now,p="),
    "extension unsigned": edited(b",p=", b",x=y,p="),
    "attribute without value": edited(b",p=", b",x,p="),
    "proof not base64": edited(b",p=", b",p=!"),
    "proof twice": edited(b",p=", b",p=AAAA,p="),
    "NUL": edited(b"c=", b"\0c="),
    "not UTF-8": edited(b"c=", b"\xffc="),
    "blank before": edited(b"c=", b" c="),
}


@pytest.mark.semantics("86c")
@pytest.mark.parametrize("edit", HOSTILE_FINAL.values(), ids=HOSTILE_FINAL.keys())
def test_a_hostile_final_message_proves_nothing(edit: "dict[str, bytes]") -> None:
    """The password is right; what surrounds the proof is not."""
    client, exchange = ScramClient("alice", "open, sesame="), server()
    message = client.final(exchange.first(client.first))
    changed = message.replace(edit["old"], edit["new"], 1)
    assert changed != message
    with pytest.raises(ScramFailed):
        exchange.final(changed)


@pytest.mark.parametrize("seed", range(50))
def test_a_mutated_proof_proves_nothing(seed: int) -> None:
    """Any change to the proof's bytes, their number included, is refused."""
    rng = random.Random(seed)
    client, exchange = ScramClient("alice", "open, sesame="), server()
    head, _, text = client.final(exchange.first(client.first)).rpartition(b",p=")
    proof = bytearray(b64decode(text))
    match rng.randrange(4):
        case 0:
            proof[rng.randrange(len(proof))] ^= 1 << rng.randrange(8)
        case 1:
            del proof[rng.randrange(len(proof)) :]
        case 2:
            proof += rng.randbytes(rng.randrange(1, 40))
        case _:
            proof[:] = rng.choice([bytes(32), b"\xff" * 32, rng.randbytes(32)])
    with pytest.raises(ScramFailed):
        exchange.final(head + b",p=" + b64encode(proof))


def test_a_proof_cannot_be_replayed() -> None:
    client, exchange = ScramClient("alice", "open, sesame="), server()
    final = client.final(exchange.first(client.first))
    exchange.final(final)
    with pytest.raises(ScramFailed):
        exchange.final(final)
    another = server(nonce="another-nonce")
    another.first(client.first)
    with pytest.raises(ScramFailed):
        another.final(final)


def test_messages_out_of_turn_are_refused() -> None:
    with pytest.raises(ScramFailed):
        server().final(b"c=biws,r=x,p=AAAA")
    exchange = server()
    exchange.first(b"n,,n=alice,r=abc")
    with pytest.raises(ScramFailed):
        exchange.first(b"n,,n=alice,r=abc")
