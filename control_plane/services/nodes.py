"""Nodes: invited with a one-time token, known by their keys, heard through reports."""

import base64
import binascii
import datetime as dt
import uuid

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control_plane.domain.errors import Conflict, Invalid, Unauthorized
from control_plane.models import ClusterBroker, ClusterSpecRow, Node, NodeToken, Topic
from control_plane.models.ids import new_id
from control_plane.services import clusters, metrics, operations, secret_tokens, specs
from data_plane.contract.report import ClusterStatus, NodeRegistration, NodeReport

TOKEN_KIND = "node"  # noqa: S105 - a prefix, not a secret
TOKEN_LIFE = dt.timedelta(hours=24)


def query() -> Select[Node]:
    """Select the nodes in service, for the operator's list."""
    return select(Node).where(Node.retired_at.is_(None))


def invite(session: Session, *, now: dt.datetime, life: dt.timedelta = TOKEN_LIFE) -> str:
    """Make a one-time token for one node; the text is never to be had again."""
    token_id = new_id()
    text, secret_sha256 = secret_tokens.make(TOKEN_KIND, token_id)
    session.add(
        NodeToken(id=token_id, secret_sha256=secret_sha256, created_at=now, expires_at=now + life)
    )
    session.flush()
    return text


def register(
    session: Session, registration: NodeRegistration, *, token: str, now: dt.datetime
) -> Node:
    """Trade a one-time token for a node identity.

    A repeated request of the same keys, its reply lost, gets the same node. Raises Unauthorized
    (token unknown, expired, used by another) or Invalid (keys, ports).
    """
    _check(registration)
    invitation = _invitation(session, token, registration, now)
    if invitation.node_id is not None:
        return session.get_one(Node, invitation.node_id)
    node = Node(
        name=registration.name,
        signing_public_key=registration.signing_public_key,
        sealing_public_key=registration.sealing_public_key,
        advertised_host=registration.advertised_host,
        port_first=registration.port_first,
        port_last=registration.port_last,
        rack=registration.rack,
        registered_at=now,
    )
    try:
        with session.begin_nested():
            session.add(node)
    except IntegrityError:
        raise Conflict("A node with this signing key is registered already.") from None
    invitation.used_at, invitation.node_id = now, node.id
    session.flush()
    return node


def record_report(
    session: Session, node: Node, report: NodeReport, *, now: dt.datetime
) -> list[uuid.UUID]:
    """Store what a node says; returns operations that may now go on, to nudge after the commit.

    Reports of clusters and brokers that are not this node's are left aside. Raises Invalid if the
    report names another node.
    """
    if report.node_id != str(node.id):
        raise Invalid("The report names another node than the one that signed it.", field="node_id")
    node.last_report_at = now
    node.observed_generation = report.observed_generation
    node.boot_id, node.agent_version = report.boot_id, report.agent_version
    node.disk_free_bytes, node.disk_total_bytes = report.disk_free_bytes, report.disk_total_bytes
    shares = {
        str(row.cluster_id): row
        for row in session.scalars(
            select(ClusterSpecRow)
            .where(ClusterSpecRow.node_id == node.id)
            .order_by(ClusterSpecRow.cluster_id)
            .with_for_update(key_share=True)
        )
    }
    metrics.store(session, node, report.samples, hosted={row.cluster_id for row in shares.values()})
    changed = []
    for status in sorted(report.clusters, key=lambda each: each.cluster_id):
        share = shares.get(status.cluster_id)
        if share is not None and _record_share(session, share, status, now):
            changed.append(share.cluster_id)
    session.flush()
    return operations.wake(session, changed, now=now)


def _record_share(
    session: Session, share: ClusterSpecRow, status: ClusterStatus, now: dt.datetime
) -> bool:
    """Store a cluster's status; True if it says anything new."""
    document = status.model_dump(mode="json")
    is_new = document != share.status
    share.observed_at = now
    # A report that was overtaken on the way must not take the cluster back.
    share.observed_generation = max(share.observed_generation, status.observed_generation)
    if is_new:
        share.status = document
        _record_brokers(session, share, status)
        _record_topics(session, share, status)
    if _is_gone(share, status):
        specs.forget(session, share, now=now)
        clusters.on_absent(session, share.cluster_id, now=now)
        return True
    return is_new


def _is_gone(share: ClusterSpecRow, status: ClusterStatus) -> bool:
    """Whether the node was told to remove its share, and says that nothing of it is left."""
    return (
        share.document["desired"] == "absent"
        and status.phase == "absent"
        and status.observed_generation >= share.generation
    )


def _record_brokers(session: Session, share: ClusterSpecRow, status: ClusterStatus) -> None:
    said = {broker.broker_id: broker for broker in status.brokers}
    found = select(ClusterBroker).where(
        ClusterBroker.cluster_id == share.cluster_id, ClusterBroker.node_id == share.node_id
    )
    for row in session.scalars(found):
        if (broker := said.get(row.broker_id)) is not None:
            row.phase, row.restarts = broker.phase, broker.restarts
            row.port = broker.port or row.port
            row.internal_port = broker.internal_port or row.internal_port
            row.quorum_port = broker.quorum_port or row.quorum_port
            row.wants_restart = broker.wants_restart


def _record_topics(session: Session, share: ClusterSpecRow, status: ClusterStatus) -> None:
    said = {topic.name: topic for topic in status.topics}
    found = select(Topic).where(
        Topic.cluster_id == share.cluster_id, Topic.deleted_at.is_(None), Topic.name.in_(said)
    )
    for row in session.scalars(found):
        row.size_bytes = said[row.name].size_bytes


def _invitation(
    session: Session, token: str, registration: NodeRegistration, now: dt.datetime
) -> NodeToken:
    parts = secret_tokens.split(TOKEN_KIND, token)
    row = session.get(NodeToken, parts[0], with_for_update={"key_share": True}) if parts else None
    if row is None or parts is None or not secret_tokens.matches(parts[1], row.secret_sha256):
        raise Unauthorized("The node token is unknown.")
    if row.node_id is not None:
        node = session.get_one(Node, row.node_id)
        if node.signing_public_key != registration.signing_public_key:
            raise Unauthorized("The node token has been used: ask for a new one.")
    elif row.expires_at <= now:
        raise Unauthorized("The node token has expired: ask for a new one.")
    return row


def _check(registration: NodeRegistration) -> None:
    for field in ("signing_public_key", "sealing_public_key"):
        try:
            raw = base64.b64decode(getattr(registration, field), validate=True)
        except (ValueError, binascii.Error):
            raw = b""
        if len(raw) != 32:
            raise Invalid(f"{field} must be base64 of 32 bytes.", field=field)
    if not 1 <= registration.port_first <= registration.port_last <= 65535:
        raise Invalid("The port range must lie within 1 to 65535.", field="port_first")
    if not registration.name or not registration.advertised_host:
        raise Invalid("A node has a name and an advertised host.", field="name")
