"""Whether a request was signed by the node it names (design.md, decision 18)."""

import base64
import binascii
import datetime as dt
import hashlib
import uuid

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from control_plane.domain.errors import Unauthorized
from control_plane.models import Node, NodeNonce
from control_plane.services.lookup import uuid_from

SIGNATURE_LIFE = dt.timedelta(seconds=300)
NONCE_CHARACTERS_MAX = 128
_REFUSED = "The request is not signed by a known node."


def authenticate(
    session: Session,
    *,
    node_id: str,
    method: str,
    target: str,
    body: bytes,
    signed_at_s: str,
    nonce: str,
    signature: str,
    now: dt.datetime,
) -> Node:
    """Return the node that signed. target: path and query as received; the rest: header texts.

    Raises Unauthorized: unknown node, wrong signature, older or newer than 300 s, nonce used.
    """
    parsed = uuid_from(node_id)
    node = session.get(Node, parsed) if parsed else None
    if node is None or node.retired_at is not None:
        raise Unauthorized(_REFUSED)
    if (
        not signed_at_s.isdigit()
        or len(signed_at_s) > 12
        or not 0 < len(nonce) <= NONCE_CHARACTERS_MAX
    ):
        raise Unauthorized(_REFUSED)
    digest = hashlib.sha256(body).hexdigest()
    _verify(node, f"{method}\n{target}\n{digest}\n{signed_at_s}\n{nonce}".encode(), signature)
    signed_at = dt.datetime.fromtimestamp(int(signed_at_s), dt.UTC)
    if abs(now - signed_at) > SIGNATURE_LIFE:
        raise Unauthorized("The signature is too old or from the future: check the node's clock.")
    _use_nonce(session, node.id, nonce, now)
    return node


def expire_nonces(session: Session, *, now: dt.datetime) -> None:
    """Forget nonces whose signatures no longer pass anyway."""
    session.execute(delete(NodeNonce).where(NodeNonce.expires_at < now))


def _verify(node: Node, signed: bytes, signature: str) -> None:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(node.signing_public_key))
    try:
        key.verify(base64.b64decode(signature, validate=True), signed)
    except (InvalidSignature, ValueError, binascii.Error):
        raise Unauthorized(_REFUSED) from None


def _use_nonce(session: Session, node_id: uuid.UUID, nonce: str, now: dt.datetime) -> None:
    # Kept twice as long: the node's clock may be ahead of ours by the whole tolerance.
    used = session.execute(
        insert(NodeNonce)
        .values(node_id=node_id, nonce=nonce, expires_at=now + 2 * SIGNATURE_LIFE)
        .on_conflict_do_nothing()
        .returning(NodeNonce.nonce)
    ).one_or_none()
    if used is None:
        raise Unauthorized("The request was sent before: its nonce is used.")
