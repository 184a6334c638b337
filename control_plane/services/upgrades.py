"""Which software a cluster's brokers run, which one was chosen for it, and the way to another.

A cluster without a choice follows the software of its nodes: their agents roll it. One with a
choice stays with it, whatever its nodes get, until another one is chosen that they have.
"""

import datetime as dt

from sqlalchemy.orm import Session

from control_plane.domain import cluster_states
from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.errors import Conflict, Gone, Invalid
from control_plane.domain.states import AddonState
from control_plane.models import Cluster, Operation
from control_plane.services import addons, events, operations, specs

VERSION = "version"  # the option of the add-on that holds the choice


def chosen(cluster: Cluster) -> str:
    """The version that was chosen; empty: none."""
    return str(cluster.addon.options.get(VERSION, ""))


def choose(session: Session, cluster: Cluster, version: str) -> None:
    """Remember a choice, or with an empty text that there is none."""
    options = {key: value for key, value in cluster.addon.options.items() if key != VERSION}
    cluster.addon.options = {**options, VERSION: version} if version else options
    session.flush()


def installed(cluster: Cluster) -> list[str]:
    """The versions that its nodes have, as their agents said."""
    return sorted({broker.node.agent_version for broker in cluster.brokers} - {""})


def running(session: Session, cluster: Cluster) -> dict[int, str]:
    """By broker, what its process says that it runs; empty for one that says nothing."""
    said = {
        int(broker["broker_id"]): str(broker.get("software_version", ""))
        for share in specs.running_shares_of(session, cluster.id)
        for broker in share.status.get("brokers", [])
    }
    return {broker.broker_id: said.get(broker.broker_id, "") for broker in cluster.brokers}


def begin(
    session: Session,
    cluster: Cluster,
    *,
    version: str | None,
    now: dt.datetime,
    request_id: str = "",
) -> Operation | None:
    """Begin to bring a cluster to a version; None chooses what its nodes have.

    Returns the operation to nudge, None: it is so already. Repeated: the same operation.
    Raises Invalid (no node of it has that version), Conflict (not available, or another change
    under way), Gone.
    """
    addon = cluster.addon
    cluster = addons.cluster_of(session, addon, lock=True)
    session.refresh(addon)
    if addon.deleted_at is not None or addon.state == AddonState.DEPROVISIONING:
        raise Gone("That add-on is being destroyed.")
    found = installed(cluster)
    wanted = version or (found[0] if len(found) == 1 else "")
    live = operations.live_on(session, cluster.id)
    for operation in live:
        if operation.kind == operations.UPGRADE and operation.input["after"] == wanted:
            return operation
    if addon.state != AddonState.PROVISIONED or live:
        what = f"is {addon.state}" if addon.state != AddonState.PROVISIONED else "is being changed"
        raise Conflict(f"{addon.name} {what}: try again when that is done.")
    if found != [wanted]:
        raise Invalid(_not_there(wanted, found), field="version")
    if chosen(cluster) == wanted and set(running(session, cluster).values()) == {wanted}:
        return None
    cluster.state = cluster_states.advance(ClusterState(cluster.state), ClusterState.UPDATING)
    events.emit(session, addon, "cluster.upgrading", now=now, version=wanted)
    return operations.enqueue(
        session,
        operations.UPGRADE,
        addon_id=addon.id,
        cluster_id=cluster.id,
        now=now,
        input={"before": chosen(cluster), "after": wanted, "name": wanted},
        request_id=request_id,
    )


def _not_there(wanted: str, found: list[str]) -> str:
    if not found:
        return "The nodes of this cluster have not said yet which software they have."
    has = f"The nodes of this cluster have {', '.join(found)}"
    if not wanted:
        return f"{has}: install one version on all of them first."
    return f"{has}. Version {wanted} can be chosen once all of them have it."
