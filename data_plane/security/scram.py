"""SCRAM-SHA-256 and -512, the server's side of one exchange (RFC 5802, RFC 7677, KIP-84).

    client-first:  n,,n=<user>,r=<client nonce>
    server-first:  r=<client nonce><server nonce>,s=<salt>,i=<iterations>
    client-final:  c=biws,r=<both nonces>,p=<proof>
    server-final:  v=<server signature>

Rules kept here: the final message must repeat the whole nonce and the very gs2 header of the first
(CVE-2024-56128); an authorization id other than the user is refused (CVE-2017-12610); secrets are
compared in constant time (CVE-2021-38153); an unknown user gets a salt of its own, always the same
one, and fails where a wrong password fails, after the same work. No text tells which it was.
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import new as new_hash
from hashlib import pbkdf2_hmac
from typing import Final

from data_plane.security.saslprep import Unprepared, saslprep

ITERATIONS_MIN: Final = 4_096
ITERATIONS_MAX: Final = 16_384  # Clients pay for these: more would let us freeze them.
MESSAGE_BYTES_MAX: Final = 4_096
NONCE_CHARS_MAX: Final = 1_024
NAME_CHARS_MAX: Final = 256
SERVER_NONCE_BYTES: Final = 24
SALT_BYTES: Final = 24

_GS2_HEADERS = ("n", "y")  # y: the client could bind to a channel and believes that we cannot.


class Mechanism(IntEnum):
    """Kafka's numbers (KIP-554)."""

    SCRAM_SHA_256 = 1
    SCRAM_SHA_512 = 2

    @property
    def sasl_name(self) -> str:
        return self.name.replace("_", "-")

    @property
    def hash_name(self) -> str:
        return "sha256" if self is Mechanism.SCRAM_SHA_256 else "sha512"

    @property
    def key_bytes(self) -> int:
        return 32 if self is Mechanism.SCRAM_SHA_256 else 64


MECHANISMS: Final = {one.sasl_name: one for one in Mechanism}


class ScramFailed(Exception):
    """The exchange is over; the text is for our log and tells no secret and no user's existence."""


@dataclass(frozen=True, slots=True)
class ScramCredential:
    """What is kept of a password; no repr shows it."""

    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    iterations: int


def credential_from_salted_password(
    mechanism: Mechanism, salt: bytes, salted_password: bytes, iterations: int
) -> ScramCredential:
    """Keep the two keys of RFC 5802 3 and forget the salted password, which could log in."""
    client_key = _hmac(mechanism, salted_password, b"Client Key")
    return ScramCredential(
        salt,
        _hash(mechanism, client_key),
        _hmac(mechanism, salted_password, b"Server Key"),
        iterations,
    )


def salted_password(mechanism: Mechanism, password: str, salt: bytes, iterations: int) -> bytes:
    """Hi() of RFC 5802: what administrators' tools send. Raises Unprepared."""
    text = saslprep(password).encode()
    return pbkdf2_hmac(mechanism.hash_name, text, salt, iterations)


def fake_credential(mechanism: Mechanism, secret: bytes, user: str) -> ScramCredential:
    """What an unknown user is checked against: always the same for a name, matched by nothing.

    secret: the broker's own, at least 32 bytes; whoever knew it could tell a fake salt.
    """
    seed = f"{mechanism.sasl_name}\0{user}".encode()
    salt = _hmac(Mechanism.SCRAM_SHA_512, secret, b"salt\0" + seed)[:SALT_BYTES]
    key = _hmac(Mechanism.SCRAM_SHA_512, secret, b"key\0" + seed)[: mechanism.key_bytes]
    return ScramCredential(salt, key, key, ITERATIONS_MIN)


FindCredential = Callable[[str], ScramCredential | None]


class ScramServer:
    """One exchange: `first`, then `final`; whatever goes wrong raises ScramFailed and ends it.

    find: the credential of a user (name as prepared), or None.
    nonce: printable, without commas, fresh for this exchange.
    """

    def __init__(
        self, mechanism: Mechanism, find: FindCredential, *, secret: bytes, nonce: str
    ) -> None:
        self._mechanism = mechanism
        self._find = find
        self._secret = secret
        self._server_nonce = nonce
        self._credential: ScramCredential | None = None
        self._is_known = False
        self._is_over = False
        self._gs2_header = ""
        self._client_nonce = self._nonce = ""
        self._messages_before_final = ""
        self._user = ""

    def first(self, message: bytes) -> bytes:
        """Answer the client's first message with nonce, salt and iterations."""
        if self._credential is not None or self._is_over:
            raise self._failed("a first message twice")
        self._gs2_header, bare = self._split_header(_text(message))
        attributes = _attributes(bare)
        if [name for name, _ in attributes[:2]] != ["n", "r"]:
            raise self._failed("the first message has no user and nonce")
        if any(name == "tokenauth" and value == "true" for name, value in attributes[2:]):
            raise self._failed("delegation tokens are not served")
        user = self._prepared(attributes[0][1])
        self._check_authorization(user)
        client_nonce = attributes[1][1]
        if not _is_nonce(client_nonce):
            raise self._failed("the client's nonce is not printable or too long")
        found = self._find(user)
        self._is_known = found is not None
        self._credential = found or fake_credential(self._mechanism, self._secret, user)
        self._user = user
        self._client_nonce = client_nonce
        self._nonce = client_nonce + self._server_nonce
        salt = b64encode(self._credential.salt).decode()
        answer = f"r={self._nonce},s={salt},i={self._credential.iterations}"
        self._messages_before_final = f"{bare},{answer}"
        return answer.encode()

    def final(self, message: bytes) -> tuple[str, bytes]:
        """Check the client's proof; returns the user's name and the server's signature."""
        credential = self._credential
        if credential is None or self._is_over:
            raise self._failed("a final message out of turn")
        self._is_over = True
        text = _text(message)
        without_proof, comma, proof_text = text.rpartition(",p=")
        attributes = _attributes(without_proof)
        if not comma or [name for name, _ in attributes[:2]] != ["c", "r"]:
            raise self._failed("the final message lacks binding, nonce or proof")
        if _decoded(attributes[0][1]) != self._gs2_header.encode():
            raise self._failed("the channel binding is not that of the first message")
        if not self._is_agreed(attributes[1][1]):
            raise self._failed("the final nonce is not the one that was agreed")
        signed = f"{self._messages_before_final},{without_proof}".encode()
        is_proved = self._is_proof(credential, _decoded(proof_text), signed)
        if not (is_proved and self._is_known):
            raise self._failed("wrong user or password")
        signature = _hmac(self._mechanism, credential.server_key, signed)
        return self._user, b"v=" + b64encode(signature)

    def _is_agreed(self, nonce: str) -> bool:
        """The whole nonce; librdkafka before 2.6.1 says its own part once more before it.

        Kafka lets that pass since 3.8.1, which checks the end alone; here nothing else may precede.
        """
        agreed = (self._nonce, self._client_nonce + self._nonce)
        return any(hmac.compare_digest(nonce.encode(), one.encode()) for one in agreed)

    def _is_proof(self, credential: ScramCredential, proof: bytes, signed: bytes) -> bool:
        """ClientKey = proof XOR HMAC(StoredKey, signed); its hash must be the stored key."""
        signature = _hmac(self._mechanism, credential.stored_key, signed)
        if len(proof) != len(signature):
            raise self._failed("the proof has a wrong length")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        return hmac.compare_digest(_hash(self._mechanism, client_key), credential.stored_key)

    def _split_header(self, text: str) -> tuple[str, str]:
        """Return gs2 header, its two commas included, and the bare message behind it."""
        parts = text.split(",", 2)
        if len(parts) < 3:
            raise self._failed("the first message is too short")
        if parts[0] not in _GS2_HEADERS:
            raise self._failed("channel binding is not offered")
        if parts[1] and not parts[1].startswith("a="):
            raise self._failed("the gs2 header is not readable")
        return f"{parts[0]},{parts[1]},", parts[2]

    def _check_authorization(self, user: str) -> None:
        named = self._gs2_header[2:-1].removeprefix("a=")
        if self._gs2_header[2:-1] and self._prepared(named) != user:
            raise self._failed("another authorization id than the user")

    def _prepared(self, escaped: str) -> str:
        """Return the name of a saslname: `,` and `=` come as =2C and =3D."""
        pieces = escaped.split("=")
        text = pieces[0]
        for piece in pieces[1:]:
            if piece[:2] not in ("2C", "3D"):
                raise self._failed("the user name is not escaped")
            text += ("," if piece[:2] == "2C" else "=") + piece[2:]
        try:
            prepared = saslprep(text)
        except Unprepared as error:
            raise self._failed("the user name cannot be prepared") from error
        if not 0 < len(prepared) <= NAME_CHARS_MAX:
            raise self._failed("the user name is empty or too long")
        return prepared

    def _failed(self, why: str) -> ScramFailed:
        self._is_over = True
        return ScramFailed(why)


def _text(message: bytes) -> str:
    if len(message) > MESSAGE_BYTES_MAX:
        raise ScramFailed("the message is too long")
    try:
        text = message.decode()
    except UnicodeDecodeError:
        raise ScramFailed("the message is not UTF-8") from None
    if "\0" in text:
        raise ScramFailed("the message holds a NUL")
    return text


def _attributes(text: str) -> list[tuple[str, str]]:
    """Return the `name=value` pairs. Raises ScramFailed; `m` marks what must not be skipped."""
    pairs = []
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.isascii() or not name.isalpha() or name == "m":
            raise ScramFailed("an attribute is not readable or not known")
        pairs.append((name, value))
    return pairs


def _is_nonce(text: str) -> bool:
    return 0 < len(text) <= NONCE_CHARS_MAX and all("!" <= char <= "~" for char in text)


def _decoded(text: str) -> bytes:
    try:
        decoded = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ScramFailed("a value is not base64") from None
    if b64encode(decoded).decode() != text:
        raise ScramFailed("a value is not in the one form that base64 has for it")
    return decoded


def _hmac(mechanism: Mechanism, key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, mechanism.hash_name)


def _hash(mechanism: Mechanism, message: bytes) -> bytes:
    return new_hash(mechanism.hash_name, message).digest()
