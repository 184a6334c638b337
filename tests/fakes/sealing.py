"""Sealing to a node as the brief between the planes says it, written a second time."""

import base64
import os

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from data_plane.contract.spec import SealedSecret


def seal(plain: bytes, sealing_public_key: str, node_id: str) -> SealedSecret:
    ephemeral, nonce = X25519PrivateKey.generate(), os.urandom(12)
    receiver = X25519PublicKey.from_public_bytes(base64.b64decode(sealing_public_key))
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ottla sealed secret v1")
    key = derive.derive(ephemeral.exchange(receiver))
    sealed = ChaCha20Poly1305(key).encrypt(nonce, plain, node_id.encode())
    public = ephemeral.public_key().public_bytes_raw()
    return SealedSecret(
        ephemeral_public_key=base64.b64encode(public).decode(),
        nonce=base64.b64encode(nonce).decode(),
        ciphertext=base64.b64encode(sealed).decode(),
    )
