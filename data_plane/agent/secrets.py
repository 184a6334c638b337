"""The node's two keys, and opening what was sealed to it.

Ed25519 signs every request to the control plane; X25519 opens SealedSecrets. Both are made at the
first start and never leave the machine. Key files are 0600 and hold 32 raw bytes in base64.
"""

import base64
import binascii
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from data_plane.agent.storage import write_atomically
from data_plane.contract.spec import SealedSecret

SEAL_INFO = b"ottla sealed secret v1"

Key = TypeVar("Key", Ed25519PrivateKey, X25519PrivateKey)


class SecretUnopened(Exception):
    """A sealed secret was not made for this node's key, or was changed on the way."""


class KeyFileRefused(Exception):
    """A key file is damaged or readable by others; the message names the remedy."""


class NodeKeys:
    def __init__(self, signing: Ed25519PrivateKey, sealing: X25519PrivateKey) -> None:
        self.signing = signing
        self.sealing = sealing

    @classmethod
    def load_or_create(cls, directory: Path) -> "NodeKeys":
        """Raises KeyFileRefused: a new key in its place would cut the node off for good."""
        return cls(
            _load_or_create(
                directory / "signing.key",
                Ed25519PrivateKey.generate,
                Ed25519PrivateKey.from_private_bytes,
            ),
            _load_or_create(
                directory / "sealing.key",
                X25519PrivateKey.generate,
                X25519PrivateKey.from_private_bytes,
            ),
        )

    @property
    def signing_public_key(self) -> str:
        return base64.b64encode(self.signing.public_key().public_bytes_raw()).decode()

    @property
    def sealing_public_key(self) -> str:
        return base64.b64encode(self.sealing.public_key().public_bytes_raw()).decode()

    def open(self, secret: SealedSecret, node_id: str) -> bytes:
        """Return the plain bytes. Raises SecretUnopened, saying nothing about the content."""
        try:
            sender = X25519PublicKey.from_public_bytes(_decoded(secret.ephemeral_public_key))
            shared = self.sealing.exchange(sender)
            key = HKDF(algorithm=SHA256(), length=32, salt=None, info=SEAL_INFO).derive(shared)
            nonce, ciphertext = _decoded(secret.nonce), _decoded(secret.ciphertext)
            return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, node_id.encode())
        except (InvalidTag, ValueError):
            raise SecretUnopened(
                "a secret in the spec cannot be opened with this node's key: it was sealed to "
                "another node or key, or changed on the way"
            ) from None


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _load_or_create(
    path: Path, generate: Callable[[], Key], from_bytes: Callable[[bytes], Key]
) -> Key:
    if not path.exists():
        key = generate()
        write_atomically(path, base64.b64encode(key.private_bytes_raw()))
        return key
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileRefused(f"key file {path} is readable by others: chmod 600 {path}")
    try:
        return from_bytes(_decoded(path.read_text().strip()))
    except (ValueError, binascii.Error):
        raise KeyFileRefused(
            f"key file {path} is damaged: restore it, or remove the data directory's node.json "
            "and both keys and register the node again"
        ) from None
