"""Headers that prove which node a request comes from (Ed25519 over the request's parts)."""

import base64
import hashlib
import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NONCE_BYTES = 16


def signed_text(method: str, target: str, body: bytes, at_s: int, nonce: str) -> bytes:
    """What is signed. `target` is the path with its query, exactly as sent."""
    digest = hashlib.sha256(body).hexdigest()
    return f"{method}\n{target}\n{digest}\n{at_s}\n{nonce}".encode()


def signature_headers(
    key: Ed25519PrivateKey, node_id: str, *, method: str, target: str, body: bytes, at_s: int
) -> dict[str, str]:
    """at_s: Unix seconds; the control plane takes a signature for 300 s and a nonce once."""
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    signature = key.sign(signed_text(method, target, body, at_s, nonce))
    return {
        "Ottla-Node": node_id,
        "Ottla-Time": str(at_s),
        "Ottla-Nonce": nonce,
        "Ottla-Signature": base64.b64encode(signature).decode(),
    }
