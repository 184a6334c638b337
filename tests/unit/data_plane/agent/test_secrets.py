"""Keys stay private, and only what was sealed to this node, unchanged, opens."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from data_plane.agent.secrets import KeyFileRefused, NodeKeys, SecretUnopened
from data_plane.agent.signing import signature_headers, signed_text
from tests.fakes.sealing import seal


@pytest.fixture
def keys(tmp_path: Path) -> NodeKeys:
    return NodeKeys.load_or_create(tmp_path)


def test_keys_are_made_once_and_private(tmp_path: Path, keys: NodeKeys) -> None:
    again = NodeKeys.load_or_create(tmp_path)
    assert again.signing_public_key == keys.signing_public_key
    assert again.sealing_public_key == keys.sealing_public_key
    for name in ("signing.key", "sealing.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_damaged_or_open_key_file_is_refused(tmp_path: Path, keys: NodeKeys) -> None:
    """Never replaced: a new key would cut the node off from its sealed secrets."""
    file = tmp_path / "sealing.key"
    content = file.read_text()
    file.chmod(0o644)
    with pytest.raises(KeyFileRefused, match="chmod 600"):
        NodeKeys.load_or_create(tmp_path)
    file.chmod(0o600)
    for damage in ("", content[:10], "not base64!"):
        file.write_text(damage)
        with pytest.raises(KeyFileRefused, match="is damaged"):
            NodeKeys.load_or_create(tmp_path)


def test_a_sealed_secret_opens(keys: NodeKeys) -> None:
    assert keys.open(seal(b"plain", keys.sealing_public_key, "node"), "node") == b"plain"


def test_a_secret_sealed_to_another_node_id_does_not_open(keys: NodeKeys) -> None:
    with pytest.raises(SecretUnopened):
        keys.open(seal(b"plain", keys.sealing_public_key, "other"), "node")


def test_a_secret_sealed_to_another_key_does_not_open(tmp_path: Path, keys: NodeKeys) -> None:
    other = NodeKeys.load_or_create(tmp_path / "other")
    with pytest.raises(SecretUnopened):
        keys.open(seal(b"plain", other.sealing_public_key, "node"), "node")


@pytest.mark.parametrize("field", ["ephemeral_public_key", "nonce", "ciphertext"])
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "no base64"])
def test_a_tampered_secret_does_not_open(keys: NodeKeys, field: str, how: str) -> None:
    secret = seal(b"plain", keys.sealing_public_key, "node")
    raw = base64.b64decode(getattr(secret, field))
    changed = {
        "flip": base64.b64encode(bytes([raw[0] ^ 1]) + raw[1:]).decode(),
        "cut": base64.b64encode(raw[:-1]).decode(),
        "empty": "",
        "no base64": "***",
    }[how]
    with pytest.raises(SecretUnopened) as unopened:
        keys.open(secret.model_copy(update={field: changed}), "node")
    assert "plain" not in str(unopened.value)


def test_an_all_zero_sender_key_does_not_open(keys: NodeKeys) -> None:
    """A low-order point makes a shared secret anyone knows (RFC 7748, 6.1)."""
    secret = seal(b"plain", keys.sealing_public_key, "node")
    zero = base64.b64encode(bytes(32)).decode()
    with pytest.raises(SecretUnopened):
        keys.open(secret.model_copy(update={"ephemeral_public_key": zero}), "node")


def test_requests_are_signed_over_every_part(keys: NodeKeys) -> None:
    headers = signature_headers(
        keys.signing, "node", method="POST", target="/a?b=1", body=b"body", at_s=1_800_000_000
    )
    assert headers["Ottla-Node"] == "node"
    assert headers["Ottla-Time"] == "1800000000"
    text = signed_text("POST", "/a?b=1", b"body", 1_800_000_000, headers["Ottla-Nonce"])
    assert text.decode().split("\n") == [
        "POST",
        "/a?b=1",
        "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5",  # SHA-256 of "body"
        "1800000000",
        headers["Ottla-Nonce"],
    ]
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(keys.signing_public_key))
    public.verify(base64.b64decode(headers["Ottla-Signature"]), text)
    other = signature_headers(keys.signing, "node", method="GET", target="/", body=b"", at_s=1)
    assert other["Ottla-Nonce"] != headers["Ottla-Nonce"]
