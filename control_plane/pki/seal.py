"""Sealing of secrets: at rest with SECRET_KEY, and to one node's key.

At rest: AES-256-GCM, associated data = the row's id, so that a sealed value moved to another row
does not open. To a node: an ephemeral X25519 key, HKDF-SHA256 (RFC 5869), ChaCha20-Poly1305
(RFC 8439), associated data = the node's id.
"""

import base64
import os
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from data_plane.contract.spec import SealedSecret

NODE_SEAL_INFO = b"ottla sealed secret v1"
_VERSION = b"\x01"  # of the at-rest format: version, 12-byte nonce, ciphertext with its tag
_NONCE_BYTES = 12


class SealBroken(Exception):
    """A sealed value does not open: another key, another row, or changed bytes."""


class Sealer:
    """Seals and opens values at rest with one 32-byte key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, row_id: uuid.UUID) -> bytes:
        """Return the sealed bytes, bound to `row_id`; two seals of one value differ."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, row_id.bytes)

    def open(self, sealed: bytes, row_id: uuid.UUID) -> bytes:
        """Return the plain bytes. Raises SealBroken, saying nothing about the content."""
        if sealed[:1] != _VERSION:
            raise SealBroken("unknown format of a sealed value")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, row_id.bytes)
        except (InvalidTag, ValueError):
            raise SealBroken("a sealed value does not open with this key and row") from None


def seal_to_node(plain: bytes, *, sealing_public_key: str, node_id: str) -> SealedSecret:
    """Seal so that only the node can open it; every call gives other bytes.

    sealing_public_key: the node's X25519 key, base64 of 32 raw bytes. Raises ValueError if not.
    """
    ephemeral = X25519PrivateKey.generate()
    receiver = X25519PublicKey.from_public_bytes(
        base64.b64decode(sealing_public_key, validate=True)
    )
    shared = ephemeral.exchange(receiver)
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=NODE_SEAL_INFO).derive(shared)
    nonce = os.urandom(_NONCE_BYTES)
    ciphertext = ChaCha20Poly1305(key).encrypt(nonce, plain, node_id.encode())
    return SealedSecret(
        ephemeral_public_key=_text(ephemeral.public_key().public_bytes_raw()),
        nonce=_text(nonce),
        ciphertext=_text(ciphertext),
    )


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
