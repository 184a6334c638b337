"""Whose turn it is in a roll: one broker of a cluster at a time, over all its nodes.

An agent that must restart a broker says so in its report. The turn goes out in the spec, and the
next one is given only when the holder's agent has said that the last is used or given back. Without
a control plane nobody gets a turn: no roll, and every broker serves on with what it has.
"""

import datetime as dt
import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.placement import Peers
from control_plane.models import Cluster, ClusterBroker
from control_plane.services import specs
from data_plane.contract.rolling import RollView, next_to_restart


def wanted(session: Session) -> list[uuid.UUID]:
    """Return the clusters over several nodes in which a broker waits for its turn."""
    found = (
        select(Cluster.id)
        .join(ClusterBroker, ClusterBroker.cluster_id == Cluster.id)
        .where(
            ClusterBroker.wants_restart,
            Cluster.peers == Peers.TLS,
            Cluster.state.in_((ClusterState.AVAILABLE, ClusterState.UPDATING)),
        )
        .distinct()
        .order_by(Cluster.id)
    )
    return list(session.scalars(found))


def grant(session: Session, cluster_id: uuid.UUID, *, now: dt.datetime) -> int | None:
    """Give the next turn if the last one is over; returns the broker's id, None: nobody's.

    A second run finds the turn that the first one gave.
    """
    cluster = specs.lock(session, cluster_id)
    if cluster.peers != Peers.TLS or not _is_over(session, cluster):
        return None
    found = select(ClusterBroker.broker_id).where(
        ClusterBroker.cluster_id == cluster_id, ClusterBroker.wants_restart
    )
    # Whether the cluster is whole its agent asks the cluster, just before; reports may be old.
    view = RollView(0, 0, 0, controller_id=_controller_id(session, cluster_id))
    broker_id = next_to_restart(session.scalars(found).all(), view)
    if broker_id is None:
        return None
    cluster.turn_number += 1
    cluster.turn_broker_id = broker_id
    session.flush()
    specs.publish(session, cluster_id, now=now)
    return broker_id


def _controller_id(session: Session, cluster_id: uuid.UUID) -> int | None:
    """The active controller, as the node knew it that reported last."""
    shares = [
        each
        for each in specs.running_shares_of(session, cluster_id)
        if each.observed_at is not None
    ]
    latest = max(shares, key=lambda share: (share.observed_at, share.node_id), default=None)
    return None if latest is None else latest.status.get("controller_id")


def _is_over(session: Session, cluster: Cluster) -> bool:
    """Whether the agent of the last turn's broker has said that it is done with it."""
    if cluster.turn_broker_id is None:
        return True
    found = select(ClusterBroker.node_id).where(
        ClusterBroker.cluster_id == cluster.id,
        ClusterBroker.broker_id == cluster.turn_broker_id,
    )
    node_id = session.scalar(found)
    done = [
        share.status.get("turn_done", 0)
        for share in specs.running_shares_of(session, cluster.id)
        if share.node_id == node_id
    ]
    return bool(done) and done[0] >= cluster.turn_number
