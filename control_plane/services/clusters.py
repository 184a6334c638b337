"""Clusters: found by their add-on, placed on nodes, judged by reports."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from control_plane.domain import placement
from control_plane.domain.cluster_states import ClusterState, advance
from control_plane.domain.errors import Gone, NotFound
from control_plane.domain.health import SILENCE, Health, Observed, faults, health_of
from control_plane.domain.placement import PEER_PORTS, PORTS_PER_BROKER, Peers, Room
from control_plane.domain.plans import PLANS, Plan
from control_plane.domain.states import AddonState
from control_plane.models import Account, Addon, App, Cluster, ClusterBroker, ClusterSpecRow, Node
from control_plane.services import operations, specs
from control_plane.services.lookup import uuid_from

# Operations that wait as long as it takes, as people call them.
NAMES = {
    operations.PROVISION: "provisioning",
    operations.DEPROVISION: "destruction",
    operations.CHANGE_PLAN: "change of plan",
    operations.UPGRADE: "upgrade",
    operations.CREATE_TOPIC: "creation of a topic",
    operations.ALTER_TOPIC: "change of a topic",
    operations.DELETE_TOPIC: "deletion of a topic",
}


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
    on_node: dict[uuid.UUID, list[ClusterBroker]] = {}
    for broker in brokers(session, cluster):
        on_node.setdefault(broker.node_id, []).append(broker)
    observed = [
        Observed(
            phase=share.status.get("phase", "pending"),
            observed_at=share.observed_at,
            problems=faults(share.status.get("conditions", [])),
            node=on_node[share.node_id][0].node.name if share.node_id in on_node else "",
            broker_ids=[each.broker_id for each in on_node.get(share.node_id, [])],
            out_of_sync_count=share.status.get("out_of_sync_count"),
        )
        for share in specs.running_shares_of(session, cluster.id)
    ]
    judged, sentence = health_of(observed, now)
    if judged is Health.DEGRADED:
        sentence += _replacing(session, cluster)
    return judged, sentence + _stuck(session, cluster, now)


def is_stuck(session: Session, cluster: Cluster, *, now: dt.datetime) -> bool:
    """Say whether it is on its way somewhere and needs somebody before it can go on."""
    if cluster.state not in {ClusterState.CREATING, ClusterState.UPDATING}:
        return False
    return bool(operations.stuck_on(session, cluster.id, now=now))


def _stuck(session: Session, cluster: Cluster, now: dt.datetime) -> str:
    """Which changes need somebody before they can go on, in words; empty: none."""
    return "".join(
        f" The {NAMES[operation.kind]} is stuck: {operation.reason}."
        for operation in operations.stuck_on(session, cluster.id, now=now)
        if operation.kind != operations.REPLACE_NODE  # That one is told anyway.
    )


def _replacing(session: Session, cluster: Cluster) -> str:
    """How far the replacement of a lost node is, in words; empty: there is none."""
    for operation in operations.live_on(session, cluster.id):
        if operation.kind == operations.REPLACE_NODE:
            brokers = ", ".join(map(str, operation.input["broker_ids"]))
            how = operation.reason or operation.step.replace("_", " ") or "begun"
            name = operation.input["name"]
            return f" Node {name} is taken for lost, broker {brokers} moves to another: {how}."
    return ""


def wait_status(session: Session, cluster: Cluster, *, now: dt.datetime) -> WaitStatus:
    """Say whether the cluster is still on its way, and to what end."""
    addon = cluster.addon
    if addon.state == AddonState.FAILED:
        return WaitStatus(False, True, False, f"failed: {addon.state_reason}")
    if cluster.state in {ClusterState.CREATING, ClusterState.UPDATING}:
        stuck = operations.stuck_on(session, cluster.id, now=now)
        if not stuck:
            return WaitStatus(True, False, False, str(cluster.state))
        # Nobody is kept waiting for what a person must see to; it goes on by itself after that.
        why = " ".join(dict.fromkeys(f"{each.reason}." for each in stuck))
        return WaitStatus(False, True, False, f"{cluster.state}, but stuck: {why}")
    if cluster.state != ClusterState.AVAILABLE:
        return WaitStatus(cluster.state == ClusterState.DELETING, False, False, str(cluster.state))
    judged, sentence = health(session, cluster, now=now)
    message = "available" if judged is Health.HEALTHY else sentence
    return WaitStatus(False, False, judged is Health.HEALTHY, message)


def place(
    session: Session, cluster: Cluster, plan: Plan, *, now: dt.datetime, silence: dt.timedelta
) -> bool:
    """Reserve places for as many brokers as `plan` has; False: there is no room for all now.

    Over racks and nodes as evenly as those that report allow. A second run finds them.
    """
    rows = brokers(session, cluster)
    missing = plan.broker_count - len(rows)
    if missing <= 0:
        return True
    placed = placement.place(
        missing,
        rooms(session, now=now, silence=silence),
        own=[row.node_id for row in rows],
        peers=Peers(cluster.peers) if len(rows) > 1 else None,
    )
    if placed is None:
        return False
    cluster.peers = placed.peers
    first_id = max((row.broker_id for row in rows), default=-1) + 1
    for broker_id, node_id in enumerate(placed.nodes, first_id):
        # Brokers that others must know first are members once their addresses are known.
        is_member = not rows and placed.peers is Peers.SOCKETS
        session.add(
            ClusterBroker(
                cluster_id=cluster.id, node_id=node_id, broker_id=broker_id, is_member=is_member
            )
        )
    session.flush()
    session.expire(cluster, ["brokers"])
    return True


def unaddressed(session: Session, cluster: Cluster) -> list[int]:
    """Brokers whose ports for brokers of other nodes are not known yet, by id."""
    if cluster.peers != Peers.TLS:
        return []
    rows = brokers(session, cluster)
    return [row.broker_id for row in rows if not (row.internal_port and row.quorum_port)]


def admit(session: Session, cluster: Cluster) -> None:
    """Make every broker a member. One that was alone so far is the first to be restarted."""
    rows = brokers(session, cluster)
    if all(row.is_member for row in rows):
        return
    members = [row for row in rows if row.is_member]
    if len(members) == 1 and cluster.peers == Peers.TLS:
        cluster.turn_number += 1
        cluster.turn_broker_id = members[0].broker_id
    for row in rows:
        row.is_member = True
    session.flush()


def silent_nodes(session: Session, cluster: Cluster, *, now: dt.datetime) -> list[Node]:
    """Nodes of the cluster that have not reported lately, by name."""
    nodes = {row.node_id: row.node for row in brokers(session, cluster)}
    silent = [node for node in nodes.values() if is_silent(node, now=now)]
    return sorted(silent, key=lambda node: (node.name, node.id))


def is_lost(session: Session, share: ClusterSpecRow, *, now: dt.datetime) -> bool:
    """Whether a share is of a silent node that has no broker of the cluster any more."""
    node = session.get_one(Node, share.node_id)
    of_cluster = ClusterBroker.cluster_id == share.cluster_id
    found = select(ClusterBroker.id).where(of_cluster, ClusterBroker.node_id == share.node_id)
    return session.scalar(found.limit(1)) is None and is_silent(node, now=now)


def is_silent(node: Node, *, now: dt.datetime) -> bool:
    return node.last_report_at is None or now - node.last_report_at > SILENCE


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


def release_candidates(session: Session, cluster: Cluster) -> None:
    """Give back the places that were only reserved; members stay."""
    session.execute(
        delete(ClusterBroker).where(
            ClusterBroker.cluster_id == cluster.id, ClusterBroker.is_member.is_(False)
        )
    )
    session.expire(cluster, ["brokers"])


def rooms(session: Session, *, now: dt.datetime, silence: dt.timedelta) -> list[Room]:
    """What the nodes that report have to give.

    One placement at a time, so that two do not both take a node's last place.
    """
    nodes = session.scalars(
        select(Node)
        .where(Node.retired_at.is_(None), Node.last_report_at > now - silence)
        .order_by(Node.id)
        .with_for_update(of=Node, key_share=True)
    ).all()
    return [_room(session, node) for node in nodes]


def _room(session: Session, node: Node) -> Room:
    """What a node has left: each broker on it takes ports, in a spread cluster more."""
    found = (
        select(Cluster.peers)
        .join(ClusterBroker, ClusterBroker.cluster_id == Cluster.id)
        .where(ClusterBroker.node_id == node.id)
    )
    kinds = session.scalars(found).all()
    used = PORTS_PER_BROKER * len(kinds) + PEER_PORTS * sum(each == Peers.TLS for each in kinds)
    return Room(
        node_id=node.id,
        rack=node.rack,
        free_ports=node.port_last - node.port_first + 1 - used,
        broker_count=len(kinds),
    )
