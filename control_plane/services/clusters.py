"""Clusters: found by their add-on, placed on nodes, judged by reports."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from control_plane.domain.cluster_states import ClusterState, advance
from control_plane.domain.errors import Gone, NotFound
from control_plane.domain.health import Health, Observed, faults, health_of
from control_plane.domain.plans import PLANS, Plan
from control_plane.domain.states import AddonState
from control_plane.models import Account, Addon, App, Cluster, ClusterBroker, Node
from control_plane.services import operations, specs
from control_plane.services.lookup import uuid_from

PORTS_PER_BROKER = 3


@dataclass(frozen=True, slots=True)
class WaitStatus:
    """What `kafka:wait` asks: is there something to wait for, and how does it stand?"""

    is_waiting: bool
    is_failed: bool
    is_healthy: bool
    message: str


def get(session: Session, account: Account, addon_id: str) -> Cluster:
    """Find a cluster by its add-on's id or name. Raises NotFound, or Gone once deprovisioned."""
    parsed = uuid_from(addon_id)
    by = Addon.id == parsed if parsed else Addon.name == addon_id
    found = (
        select(Cluster)
        .join(Addon, Addon.id == Cluster.addon_id)
        .join(App, App.id == Addon.app_id)
        .where(App.account_id == account.id, by)
    )
    if not parsed:
        found = found.where(Addon.deleted_at.is_(None))
    if (cluster := session.scalar(found)) is None:
        raise NotFound("Couldn't find that cluster.")
    if cluster.addon.deleted_at is not None:
        raise Gone("This cluster was deprovisioned.")
    return cluster


def plan_of(cluster: Cluster) -> Plan:
    return PLANS[cluster.plan]


def brokers(session: Session, cluster: Cluster) -> Sequence[ClusterBroker]:
    """Return the cluster's brokers by id, each with its `node`, `port` and `phase`."""
    found = select(ClusterBroker).where(ClusterBroker.cluster_id == cluster.id)
    return session.scalars(
        found.order_by(ClusterBroker.broker_id).execution_options(populate_existing=True)
    ).all()


def move(cluster: Cluster, to: ClusterState) -> None:
    """Change a cluster's state along the table; being there already is fine."""
    if cluster.state != to:
        cluster.state = advance(ClusterState(cluster.state), to)


def health(session: Session, cluster: Cluster, *, now: dt.datetime) -> tuple[Health, str]:
    """Judge the cluster by its nodes' last reports; returns the health and a sentence."""
    observed = [
        Observed(
            phase=share.status.get("phase", "pending"),
            observed_at=share.observed_at,
            problems=faults(share.status.get("conditions", [])),
        )
        for share in specs.shares_of(session, cluster.id)
    ]
    return health_of(observed, now)


def wait_status(session: Session, cluster: Cluster, *, now: dt.datetime) -> WaitStatus:
    """Say whether the cluster is still on its way, and to what end."""
    addon = cluster.addon
    if addon.state == AddonState.FAILED:
        return WaitStatus(False, True, False, f"failed: {addon.state_reason}")
    if cluster.state in {ClusterState.CREATING, ClusterState.UPDATING}:
        return WaitStatus(True, False, False, str(cluster.state))
    if cluster.state != ClusterState.AVAILABLE:
        return WaitStatus(cluster.state == ClusterState.DELETING, False, False, str(cluster.state))
    judged, sentence = health(session, cluster, now=now)
    message = "available" if judged is Health.HEALTHY else sentence
    return WaitStatus(False, False, judged is Health.HEALTHY, message)


def place(session: Session, cluster: Cluster, *, now: dt.datetime, silence: dt.timedelta) -> bool:
    """Reserve a node for all brokers; False: none that reports has room. A second run finds it.

    Nodes are filled evenly, the one with fewest brokers first; a node's ports bound its brokers.
    All brokers of a cluster are on one node: they talk through its socket files (decision 33).
    """
    wanted = plan_of(cluster).broker_count
    if brokers(session, cluster):
        return True
    # One placement at a time, so that two do not both take a node's last place.
    nodes = session.scalars(
        select(Node)
        .where(Node.retired_at.is_(None), Node.last_report_at > now - silence)
        .order_by(Node.id)
        .with_for_update(of=Node, key_share=True)
    ).all()
    load = {node.id: _broker_count(session, node) for node in nodes}
    free = [node for node in nodes if load[node.id] + wanted <= _broker_count_max(node)]
    if not free:
        return False
    node = min(free, key=lambda each: (load[each.id], each.id))
    for broker_id in range(wanted):
        session.add(ClusterBroker(cluster_id=cluster.id, node_id=node.id, broker_id=broker_id))
    session.flush()
    return True


def on_absent(session: Session, cluster_id: uuid.UUID, *, now: dt.datetime) -> None:
    """Finish a teardown that had been given up: its silent node is back and has obeyed.

    While an operation is under way it does that itself.
    """
    cluster = session.get_one(Cluster, cluster_id)
    is_over = cluster.state == ClusterState.DELETING and not specs.shares_of(session, cluster_id)
    if not is_over or operations.live_on(session, cluster_id):
        return
    if cluster.addon.state == AddonState.DEPROVISIONING:
        operations.enqueue(
            session,
            operations.DEPROVISION,
            addon_id=cluster.addon_id,
            cluster_id=cluster_id,
            now=now,
        )
    else:
        move(cluster, ClusterState.DELETED)
        cluster.deleted_at = now


def release(session: Session, cluster: Cluster) -> None:
    """Give back the cluster's places on nodes."""
    session.execute(delete(ClusterBroker).where(ClusterBroker.cluster_id == cluster.id))
    session.expire(cluster, ["brokers"])


def _broker_count(session: Session, node: Node) -> int:
    found = select(ClusterBroker.id).where(ClusterBroker.node_id == node.id)
    return len(session.scalars(found).all())


def _broker_count_max(node: Node) -> int:
    """How many brokers find ports on a node: each listens to clients, its agent and for metrics."""
    return (node.port_last - node.port_first + 1) // PORTS_PER_BROKER
