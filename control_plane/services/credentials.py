"""Identities of a cluster: its CA, its brokers' certificates, its clients', its agents' admins."""

import datetime as dt
import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from control_plane.domain.errors import Conflict
from control_plane.models import Cluster, ClusterBroker, Credential, Node
from control_plane.models.ids import new_id
from control_plane.pki import issue
from control_plane.pki.ca import CertificateAuthority, mint_cluster_ca
from control_plane.pki.seal import Sealer, seal_to_node

# What a client may do on a cluster of its own (heroku-contract.md (d) 5).
TOPIC_OPERATIONS = ("READ", "WRITE", "DESCRIBE")
GROUP_OPERATIONS = ("READ", "WRITE", "DESCRIBE", "DELETE")
# Heroku's published policy grants none of these; on brokers of one's own there is nobody to protect
# from them, and exactly-once programs need them.
TRANSACTIONAL_ID_OPERATIONS = ("WRITE", "DESCRIBE")


def ensure_ca(session: Session, cluster: Cluster, *, sealer: Sealer, now: dt.datetime) -> None:
    """Give the cluster a CA of its own; a second run finds it."""
    if cluster.ca_key_sealed is None:
        ca = mint_cluster_ca(str(cluster.id), now=now)
        cluster.ca_certificate_pem = ca.certificate_pem
        cluster.ca_key_sealed = sealer.seal(ca.key_pem, cluster.id)
        session.flush()


def ensure_brokers(session: Session, cluster: Cluster, *, sealer: Sealer, now: dt.datetime) -> None:
    """Give each broker a server certificate, its key sealed to its node; repeatable."""
    for broker in _brokers(session, cluster):
        if broker.certificate_pem is not None:
            continue
        issued = issue.issue_broker(
            _ca(cluster, sealer),
            cluster_id=str(cluster.id),
            broker_id=broker.broker_id,
            advertised_hosts=[broker.node.advertised_host],
            now=now,
        )
        broker.certificate_pem = issued.certificate_pem
        broker.node_sealed_key = _sealed(issued.key_pem, broker.node)
    session.flush()


def ensure_clients(session: Session, cluster: Cluster, *, sealer: Sealer, now: dt.datetime) -> None:
    """Give the add-on its client identity and each node its admin identity; repeatable."""
    held = {(row.kind, row.node_id) for row in of_cluster(session, cluster.id)}
    if ("client", None) not in held:
        row, key_pem = _new_identity(cluster, "client", sealer=sealer, now=now)
        row.key_sealed = sealer.seal(key_pem, row.id)
        session.add(row)
    nodes = {broker.node_id: broker.node for broker in _brokers(session, cluster)}
    for node_id, node in nodes.items():
        if ("admin", node_id) not in held:
            row, key_pem = _new_identity(cluster, "admin", sealer=sealer, now=now)
            row.node_id, row.node_sealed_key = node_id, _sealed(key_pem, node)
            session.add(row)
    session.flush()


def revoke_all(session: Session, cluster: Cluster, *, now: dt.datetime) -> None:
    """End every identity of a cluster and forget the private keys, the CA's included."""
    for row in of_cluster(session, cluster.id):
        row.revoked_at, row.key_sealed, row.node_sealed_key = now, None, None
    cluster.ca_key_sealed = None
    session.flush()


def revoke_unplaced(session: Session, cluster: Cluster, *, now: dt.datetime) -> None:
    """End the admin identities of nodes on which the cluster has no member."""
    placed = {row.node_id for row in _brokers(session, cluster) if row.is_member}
    for row in of_cluster(session, cluster.id):
        if row.kind == "admin" and row.node_id not in placed:
            row.revoked_at, row.node_sealed_key = now, None
    session.flush()


def of_cluster(session: Session, cluster_id: uuid.UUID) -> list[Credential]:
    """Return the cluster's living identities, oldest first."""
    found = select(Credential).where(
        Credential.cluster_id == cluster_id, Credential.revoked_at.is_(None)
    )
    return list(session.scalars(found.order_by(Credential.id)))


def client_values(session: Session, addon_id: uuid.UUID, *, sealer: Sealer) -> dict[str, str]:
    """Return what the add-on's config vars say: part to text. Secrets: never to be logged.

    Raises Conflict while brokers have no port yet, or there is no client identity.
    """
    cluster = session.scalars(select(Cluster).where(Cluster.addon_id == addon_id)).one()
    urls = [
        f"kafka+ssl://{_host(broker.node.advertised_host)}:{broker.port}"
        for broker in _brokers(session, cluster)
        if broker.port is not None
    ]
    client = next((row for row in of_cluster(session, cluster.id) if row.kind == "client"), None)
    if not urls or client is None or client.key_sealed is None or not cluster.ca_certificate_pem:
        raise Conflict("The cluster's brokers are not reachable yet.")
    return {
        "url": ",".join(urls),
        "trusted_cert": cluster.ca_certificate_pem,
        "client_cert": client.certificate_pem,
        "client_cert_key": sealer.open(client.key_sealed, client.id).decode(),
    }


def _host(host: str) -> str:
    """Write a host for a URL: IPv6 addresses go in brackets."""
    return f"[{host}]" if ":" in host else host


def _new_identity(
    cluster: Cluster, kind: str, *, sealer: Sealer, now: dt.datetime
) -> tuple[Credential, bytes]:
    """Issue a client certificate; returns an unsaved row without its key, and the key's PEM."""
    row_id, cluster_id = new_id(), str(cluster.id)
    issued = issue.issue_client(
        _ca(cluster, sealer), cluster_id=cluster_id, credential_id=str(row_id), now=now
    )
    row = Credential(
        id=row_id,
        cluster_id=cluster.id,
        kind=kind,
        principal=issue.principal(str(row_id), cluster_id),
        certificate_pem=issued.certificate_pem,
        not_after=issued.not_after,
        created_at=now,
    )
    return row, issued.key_pem


def _ca(cluster: Cluster, sealer: Sealer) -> CertificateAuthority:
    assert cluster.ca_certificate_pem is not None
    assert cluster.ca_key_sealed is not None
    return CertificateAuthority(
        cluster.ca_certificate_pem, sealer.open(cluster.ca_key_sealed, cluster.id)
    )


def _sealed(key_pem: bytes, node: Node) -> dict[str, str]:
    return seal_to_node(
        key_pem, sealing_public_key=node.sealing_public_key, node_id=str(node.id)
    ).model_dump()


def _brokers(session: Session, cluster: Cluster) -> list[ClusterBroker]:
    found = select(ClusterBroker).where(ClusterBroker.cluster_id == cluster.id)
    return list(session.scalars(found.order_by(ClusterBroker.broker_id)))
