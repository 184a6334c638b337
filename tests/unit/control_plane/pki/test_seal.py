"""Sealed values open with the right key and row, and with nothing else."""

import base64
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from control_plane.pki.seal import SealBroken, Sealer, seal_to_node
from data_plane.agent.secrets import NodeKeys, SecretUnopened
from data_plane.contract.spec import SealedSecret

ROW, OTHER_ROW = uuid.UUID(int=1), uuid.UUID(int=2)
SECRET = b"-----BEGIN PRIVATE KEY-----\n"


def test_round_trip_and_fresh_bytes_each_time() -> None:
    sealer = Sealer(b"a" * 32)
    one, other = sealer.seal(SECRET, ROW), sealer.seal(SECRET, ROW)
    assert one != other
    assert SECRET not in one
    assert sealer.open(one, ROW) == sealer.open(other, ROW) == SECRET
    assert sealer.open(sealer.seal(b"", ROW), ROW) == b""


def test_another_row_or_key_does_not_open_it() -> None:
    sealed = Sealer(b"a" * 32).seal(SECRET, ROW)
    with pytest.raises(SealBroken):
        Sealer(b"a" * 32).open(sealed, OTHER_ROW)
    with pytest.raises(SealBroken):
        Sealer(b"b" * 32).open(sealed, ROW)


def test_every_changed_byte_is_noticed() -> None:
    sealer = Sealer(b"a" * 32)
    sealed = sealer.seal(SECRET, ROW)
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(SealBroken):
            sealer.open(changed, ROW)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            sealer.open(sealed[:length], ROW)


def public_text(key: X25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def opened(secret: SealedSecret, key: X25519PrivateKey, node_id: str) -> bytes:
    """Open by the letter of the contract, without our own code."""
    sender = X25519PublicKey.from_public_bytes(base64.b64decode(secret.ephemeral_public_key))
    shared = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ottla sealed secret v1").derive(
        key.exchange(sender)
    )
    return ChaCha20Poly1305(shared).decrypt(
        base64.b64decode(secret.nonce), base64.b64decode(secret.ciphertext), node_id.encode()
    )


def test_sealing_to_a_node_follows_the_contract() -> None:
    key = X25519PrivateKey.generate()
    secret = seal_to_node(SECRET, sealing_public_key=public_text(key), node_id="node-1")
    assert opened(secret, key, "node-1") == SECRET


def test_the_agent_opens_what_was_sealed_to_it_and_no_other_node_can() -> None:
    keys = NodeKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
    secret = seal_to_node(SECRET, sealing_public_key=keys.sealing_public_key, node_id="node-1")
    assert keys.open(secret, "node-1") == SECRET
    with pytest.raises(SecretUnopened):
        keys.open(secret, "node-2")


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError):
        seal_to_node(SECRET, sealing_public_key="bm90IGEga2V5", node_id="node-1")
