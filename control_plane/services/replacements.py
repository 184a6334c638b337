"""Brokers of a node that is lost for good: another node takes them over, with empty directories.

A node that only falls silent may still serve. It counts as lost when it has said nothing for
`NODE_LOST_S` and the cluster's other nodes say that the active controller does not hear its brokers
either. Each broker keeps its id and gets a directory id that was never used, so that nobody takes
it for the voter and the replica that it was (durability.md 3).
"""

import datetime as dt
import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from control_plane.domain import placement
from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.health import SILENCE
from control_plane.domain.placement import Peers
from control_plane.models import Cluster, ClusterBroker, ClusterSpecRow, Node, Operation
from control_plane.services import clusters, operations, specs

# While one of these goes on no node is replaced; they are bounded, or end the cluster.
EXCLUSIVE = frozenset({operations.PROVISION, operations.DEPROVISION, operations.REPLACE_NODE})
REPLACEABLE = (ClusterState.AVAILABLE, ClusterState.UPDATING)


def wanted(session: Session, *, now: dt.datetime, lost_after: dt.timedelta) -> list[uuid.UUID]:
    """Return the clusters over several nodes that have a broker on a node silent for so long."""
    found = (
        select(Cluster.id)
        .join(ClusterBroker, ClusterBroker.cluster_id == Cluster.id)
        .join(Node, Node.id == ClusterBroker.node_id)
        .where(
            Cluster.peers == Peers.TLS,
            Cluster.state.in_(REPLACEABLE),
            Node.last_report_at <= now - lost_after,
        )
        .distinct()
        .order_by(Cluster.id)
    )
    return list(session.scalars(found))


def begin(
    session: Session, cluster_id: uuid.UUID, *, now: dt.datetime, lost_after: dt.timedelta
) -> Operation | None:
    """Begin to replace one lost node of a cluster; None: none is lost, or something is under way.

    A second call finds the first one's operation and begins nothing. A change of plan, once its
    brokers are members, and an upgrade wait for every broker: they can end only if this goes on
    beside them.
    """
    cluster = specs.lock(session, cluster_id)
    if not may_replace(session, cluster):
        return None
    gone = lost_brokers(session, cluster, now=now, lost_after=lost_after)
    return enqueue(session, cluster, gone, now=now) if gone else None


def enqueue(
    session: Session, cluster: Cluster, gone: Sequence[ClusterBroker], *, now: dt.datetime
) -> Operation:
    """Begin to replace the node that these brokers of a locked cluster are on."""
    node = gone[0].node
    return operations.enqueue(
        session,
        operations.REPLACE_NODE,
        addon_id=cluster.addon_id,
        cluster_id=cluster.id,
        now=now,
        input={
            "node_id": str(node.id),
            "name": node.name,
            "broker_ids": [row.broker_id for row in gone],
        },
    )


def may_replace(session: Session, cluster: Cluster) -> bool:
    """Whether nothing is under way that has the word about the cluster's places."""
    if cluster.state not in REPLACEABLE:
        return False
    live = {operation.kind for operation in operations.live_on(session, cluster.id)}
    if live & EXCLUSIVE:
        return False
    # Places that were only reserved are given back, if their nodes do not answer in time.
    is_settled = all(row.is_member for row in clusters.brokers(session, cluster))
    return is_settled or operations.CHANGE_PLAN not in live


def lost_brokers(
    session: Session, cluster: Cluster, *, now: dt.datetime, lost_after: dt.timedelta
) -> list[ClusterBroker]:
    """The brokers of one lost node, the one that is silent longest; empty: no node is lost."""
    alive = live_brokers(session, cluster, now=now)
    if alive is None:
        return []
    lost: dict[uuid.UUID, list[ClusterBroker]] = {}
    for row in clusters.brokers(session, cluster):
        said_at = row.node.last_report_at
        if said_at is not None and said_at <= now - lost_after:
            lost.setdefault(row.node_id, []).append(row)
    gone = [rows for rows in lost.values() if not {row.broker_id for row in rows} & alive]
    return min(gone, key=lambda rows: (rows[0].node.last_report_at, rows[0].node_id), default=[])


def live_brokers(session: Session, cluster: Cluster, *, now: dt.datetime) -> set[int] | None:
    """Those that the active controller hears, as nodes say that report; None: nobody says so."""
    said = [
        set(share.status["live_brokers"])
        for share in _heard(session, cluster, now)
        if share.status.get("live_brokers") is not None
    ]
    return set().union(*said) if said else None


def missing_majority(session: Session, cluster: Cluster, *, now: dt.datetime) -> str:
    """Why the metadata quorum can take nobody in, in words; empty: it can."""
    voters = {
        voter for share in _heard(session, cluster, now) for voter in share.status["voters"] or ()
    }
    silent = {node.id: node.name for node in clusters.silent_nodes(session, cluster, now=now)}
    rows = clusters.brokers(session, cluster)
    gone = [row for row in rows if row.broker_id in voters and row.node_id in silent]
    if len(gone) <= (len(voters) - 1) // 2:
        return ""
    names = " or ".join(sorted({silent[row.node_id] for row in gone}))
    return (
        f"{len(gone)} of {len(voters)} brokers that vote on the cluster's metadata are silent, so "
        f"that it can take no other in: bring {names} back"
    )


def move(
    session: Session, cluster: Cluster, node_id: uuid.UUID, *, now: dt.datetime
) -> Sequence[ClusterBroker] | None:
    """Give the brokers of a node places on others; returns them, None: there is no room for all.

    A second run finds those that the first one moved.
    """
    rows = clusters.brokers(session, cluster)
    leaving = [row for row in rows if row.node_id == node_id]
    if leaving:
        placed = placement.place(
            len(leaving),
            clusters.rooms(session, now=now, silence=SILENCE),
            own=[row.node_id for row in rows if row.node_id != node_id],
            peers=Peers.TLS,
        )
        if placed is None:
            return None
        for row, place in zip(leaving, placed.nodes, strict=True):
            _put(cluster, row, place)
            row.came_from_id = node_id
        session.flush()
        session.expire(cluster, ["brokers"])
    return [row for row in clusters.brokers(session, cluster) if row.came_from_id == node_id]


def give_back(session: Session, cluster: Cluster) -> None:
    """Brokers that were to move stay where they were, if that comes back.

    Their directory ids do not come back: the node may have been told meanwhile to remove the old.
    """
    for row in clusters.brokers(session, cluster):
        if row.came_from_id is not None:
            _put(cluster, row, row.came_from_id)
            row.came_from_id = None
    session.flush()
    session.expire(cluster, ["brokers"])


def settle(session: Session, cluster: Cluster) -> None:
    """From now on they are where they were put, whoever comes back."""
    for row in clusters.brokers(session, cluster):
        row.came_from_id = None
    session.flush()


def _put(cluster: Cluster, row: ClusterBroker, node_id: uuid.UUID) -> None:
    """On another node: ports, key and directory are not there yet."""
    if specs.is_first_voter(cluster, row) and row.formed_host is None:
        row.formed_host, row.formed_quorum_port = row.node.advertised_host, row.quorum_port
    row.node_id, row.moves = node_id, row.moves + 1
    row.port = row.internal_port = row.quorum_port = None
    row.certificate_pem = row.node_sealed_key = None
    row.phase, row.wants_restart = "pending", False


def _heard(session: Session, cluster: Cluster, now: dt.datetime) -> list[ClusterSpecRow]:
    """Shares of nodes that report."""
    shares = specs.running_shares_of(session, cluster.id)
    return [each for each in shares if each.observed_at and now - each.observed_at <= SILENCE]
