"""Requests of nodes: four headers, and a signature over method, path, body, time and nonce.

Client certificates do not reach an ASGI application behind a router; a signature does.
"""

import datetime as dt
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy.orm import Session

from control_plane.domain.errors import Unauthorized
from control_plane.models import Node
from control_plane.services import node_signatures


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a node sent, as received; nothing of it is verified yet."""

    node_id: str
    method: str
    target: str  # path and query, byte for byte
    body: bytes
    signed_at_s: str
    nonce: str
    signature: str


async def read_signature(request: Request) -> SignedRequest:
    headers = request.headers
    target = request.scope["raw_path"].decode("latin-1")
    if query := request.scope["query_string"].decode("latin-1"):
        target = f"{target}?{query}"
    return SignedRequest(
        node_id=headers.get("ottla-node", ""),
        method=request.method,
        target=target,
        body=await request.body(),
        signed_at_s=headers.get("ottla-time", ""),
        nonce=headers.get("ottla-nonce", ""),
        signature=headers.get("ottla-signature", ""),
    )


def verify(session: Session, signed: SignedRequest, *, path_node: str, now: dt.datetime) -> Node:
    """Return the node that signed, which is the one of the path. Raises Unauthorized."""
    node = node_signatures.authenticate(
        session,
        node_id=signed.node_id,
        method=signed.method,
        target=signed.target,
        body=signed.body,
        signed_at_s=signed.signed_at_s,
        nonce=signed.nonce,
        signature=signed.signature,
        now=now,
    )
    if str(node.id) != path_node:
        raise Unauthorized("The request is signed by another node than its path names.")
    return node
