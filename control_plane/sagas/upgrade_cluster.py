"""To the software that the nodes have: their agents roll the brokers, one at a time."""

import datetime as dt
from typing import Any

from control_plane.domain.cluster_states import ClusterState
from control_plane.sagas.engine import NotYet, Output, Saga, Step, StepContext
from control_plane.services import clusters, events, specs, upgrades

AWAIT_MAX = dt.timedelta(hours=1)  # a large log takes its time at each broker's turn


def publish_version(context: StepContext) -> Output:
    return _chosen(context, context.operation.input["after"])


def restore_version(context: StepContext) -> None:
    """Brokers that were rolled stay as they are; the others are left alone."""
    _chosen(context, context.operation.input["before"])


def await_roll(context: StepContext) -> Output:
    """Wait until every broker says that it runs the version, and serves."""
    cluster, wanted = context.cluster(), context.operation.input["after"]
    run = upgrades.running(context.session, cluster)
    others = [broker for broker, version in run.items() if version != wanted]
    if others or any(broker.phase != "ready" for broker in cluster.brokers):
        raise NotYet(
            _said(context) or f"{len(run) - len(others)} of {len(run)} brokers run {wanted}"
        )
    return None


def mark_upgraded(context: StepContext) -> Output:
    cluster = context.cluster()
    if cluster.state != ClusterState.AVAILABLE:
        clusters.move(cluster, ClusterState.AVAILABLE)
        _emit(context, "cluster.upgraded")
    return None


def on_failed(context: StepContext) -> None:
    """It serves on, with what its brokers run."""
    cluster = context.cluster()
    clusters.move(cluster, ClusterState.AVAILABLE)
    _emit(context, "cluster.upgrade_failed", reason=context.operation.reason)


def _chosen(context: StepContext, version: str) -> dict[str, Any]:
    specs.lock(context.session, context.operation.cluster_id)
    cluster = context.cluster()
    upgrades.choose(context.session, cluster, version)
    return {"generation": specs.publish(context.session, cluster.id, now=context.now)}


def _said(context: StepContext) -> str:
    """How far the nodes' rolls are, in their own words."""
    found = [
        condition["message"]
        for share in specs.running_shares_of(context.session, context.operation.cluster_id)
        for condition in share.status.get("conditions", [])
        if condition["name"] == "Upgraded" and not condition["status"]
    ]
    return " ".join(dict.fromkeys(filter(None, found)))


def _emit(context: StepContext, type_: str, **more: str) -> None:
    version = context.operation.input["after"]
    addon = context.cluster().addon
    events.emit(context.session, addon, type_, now=context.now, version=version, **more)


UPGRADE_CLUSTER = Saga(
    steps=(
        Step(publish_version, undo=restore_version),
        Step(await_roll, wait_max=AWAIT_MAX),
        Step(mark_upgraded),
    ),
    on_failed=on_failed,
)
