"""An operator's word that a node is lost: its brokers move at once, not after `NODE_LOST_S`.

What the sweep asks for is asked here as well, apart from the waiting time: the node is silent, and
the cluster does not hear its brokers.
"""

import datetime as dt
import uuid
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from control_plane.domain.errors import Conflict, NotFound
from control_plane.domain.health import SILENCE
from control_plane.domain.placement import Peers
from control_plane.domain.states import LIVE
from control_plane.models import Cluster, ClusterBroker, Node, Operation
from control_plane.services import clusters, operations, replacements, specs
from control_plane.services.lookup import uuid_from


@dataclass(frozen=True, slots=True)
class Replacement:
    """What becomes of one cluster's brokers on a node; `refused` says why nothing was begun."""

    cluster: Cluster
    broker_ids: list[int]
    operation: Operation | None = None
    refused: str = ""


def find(session: Session, text: str) -> Node:
    """A node by id or name. Raises NotFound, or Conflict where several have the name."""
    parsed = uuid_from(text)
    found = session.scalars(select(Node).where(Node.id == parsed if parsed else Node.name == text))
    nodes = found.all()
    if not nodes:
        raise NotFound(f"Couldn't find the node {text[:249]!r}.")
    if len(nodes) > 1:
        ids = ", ".join(sorted(str(node.id) for node in nodes))
        raise Conflict(f"Several nodes are called {text}: name one by its id: {ids}.")
    return nodes[0]


def begin(session: Session, node: Node, *, now: dt.datetime) -> list[Replacement]:
    """Begin to move everything off a node; repeated: what was begun. The caller nudges.

    Raises Conflict where the node reports: it is not lost.
    """
    session.refresh(node)
    if not clusters.is_silent(node, now=now):
        raise Conflict(
            f"Node {node.name} reports, so it is not lost: stop its agent and its brokers first, "
            f"and ask again {SILENCE.total_seconds():.0f} s later."
        )
    for cluster_id in _clusters_on(session, node):
        _begin(session, cluster_id, node, now=now)
    return of_node(session, node, now=now)


def of_node(session: Session, node: Node, *, now: dt.datetime) -> list[Replacement]:
    """How far each cluster is that has, or had, brokers on the node; by cluster."""
    last = {
        each.cluster_id: each
        for each in session.scalars(
            select(Operation)
            .where(
                Operation.kind == operations.REPLACE_NODE,
                Operation.input["node_id"].astext == str(node.id),
            )
            .order_by(Operation.id)
        )
    }
    found = []
    for cluster_id in sorted({*last, *_clusters_on(session, node)}):
        cluster = session.get_one(Cluster, cluster_id)
        rows = [row for row in clusters.brokers(session, cluster) if row.node_id == node.id]
        operation = last.get(cluster_id)
        ids = operation.input["broker_ids"] if operation else [row.broker_id for row in rows]
        is_open = operation is None or operation.state not in LIVE
        refused = _refused(session, cluster, node, now=now) if rows and is_open else ""
        found.append(Replacement(cluster, ids, operation, refused))
    return found


def _begin(session: Session, cluster_id: uuid.UUID, node: Node, *, now: dt.datetime) -> None:
    cluster = specs.lock(session, cluster_id)
    rows = [row for row in clusters.brokers(session, cluster) if row.node_id == node.id]
    if rows and not _refused(session, cluster, node, now=now):
        replacements.enqueue(session, cluster, rows, now=now)


def _refused(session: Session, cluster: Cluster, node: Node, *, now: dt.datetime) -> str:
    """Why its brokers cannot be moved now, in words; empty: they can."""
    if cluster.peers != Peers.TLS:
        return f"all of it is on node {node.name}, so its records are nowhere else: bring it back"
    if not replacements.may_replace(session, cluster):
        return "another change of it is under way: ask again when that is done"
    alive = replacements.live_brokers(session, cluster, now=now)
    if alive is None:
        return "none of its nodes says which brokers live: bring one of them back"
    on_node = {row.broker_id for row in cluster.brokers if row.node_id == node.id}
    if heard := sorted(on_node & alive):
        ids = ", ".join(map(str, heard))
        return f"the cluster hears broker {ids} of it: stop what runs there first"
    return ""


def _clusters_on(session: Session, node: Node) -> list[uuid.UUID]:
    found = (
        select(Cluster.id)
        .join(ClusterBroker, ClusterBroker.cluster_id == Cluster.id)
        .where(ClusterBroker.node_id == node.id, Cluster.deleted_at.is_(None))
    )
    return list(session.scalars(found.distinct().order_by(Cluster.id)))
