"""The client's side of SCRAM, written from RFC 5802 apart from the server's code."""

import hashlib
import hmac
from base64 import b64decode, b64encode

from data_plane.security.scram import (
    Mechanism,
    ScramCredential,
    credential_from_salted_password,
    salted_password,
)

SALT = b"a salt of 16 byt"
SECRET = bytes(range(32))


def credential(
    password: str, mechanism: Mechanism = Mechanism.SCRAM_SHA_256, iterations: int = 4096
) -> ScramCredential:
    salted = salted_password(mechanism, password, SALT, iterations)
    return credential_from_salted_password(mechanism, SALT, salted, iterations)


class ScramClient:
    """Says what a well-behaved client says; fields may be changed for those that do not."""

    def __init__(
        self, user: str, password: str, *, hash_name: str = "sha256", nonce: str = "client-nonce"
    ) -> None:
        self.password = password
        self.hash_name = hash_name
        self.nonce = nonce
        self.gs2_header = "n,,"
        self.nonce_prefix = ""  # said before the whole nonce in the final message
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"

    @property
    def first(self) -> bytes:
        return (self.gs2_header + self.bare).encode()

    def final(self, server_first: bytes) -> bytes:
        attributes = dict(part.split("=", 1) for part in server_first.decode().split(","))
        binding = b64encode(self.gs2_header.encode()).decode()
        without_proof = f"c={binding},r={self.nonce_prefix}{attributes['r']}"
        salted = hashlib.pbkdf2_hmac(
            self.hash_name, self.password.encode(), b64decode(attributes["s"]), int(attributes["i"])
        )
        self.signed = f"{self.bare},{server_first.decode()},{without_proof}".encode()
        client_key = hmac.digest(salted, b"Client Key", self.hash_name)
        stored_key = hashlib.new(self.hash_name, client_key).digest()
        signature = hmac.digest(stored_key, self.signed, self.hash_name)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self.server_key = hmac.digest(salted, b"Server Key", self.hash_name)
        return f"{without_proof},p={b64encode(proof).decode()}".encode()

    def is_server_proved(self, server_final: bytes) -> bool:
        signature = hmac.digest(self.server_key, self.signed, self.hash_name)
        return server_final == b"v=" + b64encode(signature)
