"""Bearer secrets that name their row: `<kind>_<row id>_<secret>`; only a hash is kept."""

import hashlib
import hmac
import secrets
import uuid

_SECRET_BYTES = 24


def make(kind: str, row_id: uuid.UUID) -> tuple[str, str]:
    """Return (the text to hand out once, the hash to keep)."""
    secret = secrets.token_hex(_SECRET_BYTES)
    return f"{kind}_{row_id.hex}_{secret}", _hash(secret)


def split(kind: str, text: str) -> tuple[uuid.UUID, str] | None:
    """Return (row id, secret), or None if the text has not that form."""
    parts = text.split("_")
    if len(parts) != 3 or parts[0] != kind or len(parts[1]) != 32:
        return None
    try:
        return uuid.UUID(hex=parts[1]), parts[2]
    except ValueError:
        return None


def matches(secret: str, secret_sha256: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(_hash(secret), secret_sha256)


def _hash(secret: str) -> str:
    # 192 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode()).hexdigest()
