"""From one plan to another, while the cluster serves.

More brokers first: places, certificates, ports; until here everything can be taken back. Then they
are made members, and from there the change only goes forward, as replicas and votes move to them:
it waits as long as it takes and says for what. Then the replicas of topics, then the bill.
"""

import datetime as dt

from control_plane.domain import plan_changes
from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.health import SILENCE
from control_plane.domain.plans import PLANS, Plan
from control_plane.models import Cluster
from control_plane.sagas import await_nodes
from control_plane.sagas.engine import NotYet, Output, Saga, Step, StepContext
from control_plane.sagas.provision_cluster import (
    await_addresses,
    issue_credentials,
    publish_config_vars,
    publish_members,
)
from control_plane.services import clusters, credentials, events, specs, topics, usage

VOTERS_MAX = 3
NEVER = dt.timedelta(days=3650)
AGAIN_MAX = 1_000_000  # attempts; each failure is told in the operation's reason


def reserve_places(context: StepContext) -> Output:
    cluster = context.cluster()
    if not clusters.place(
        context.session, cluster, _plan(context), now=context.now, silence=SILENCE
    ):
        raise NotYet("no nodes with room for the brokers of the new plan have reported lately")
    return None


def release_places(context: StepContext) -> None:
    """Those of brokers that are no members; their nodes are told to forget them."""
    cluster = context.cluster()
    clusters.release_candidates(context.session, cluster)
    specs.publish(context.session, cluster.id, now=context.now)


def publish_candidates(context: StepContext) -> Output:
    """Have the agents of the new brokers choose ports."""
    return {
        "generation": specs.publish(context.session, context.operation.cluster_id, now=context.now)
    }


def await_brokers(context: StepContext) -> Output:
    await_nodes.serving(context, context.output_of(publish_members)["generation"])
    return None


def await_voters(context: StepContext) -> Output:
    """Three brokers or more: three of them vote, so that one may be lost."""
    count = len(clusters.brokers(context.session, context.cluster()))
    wanted = VOTERS_MAX if count >= VOTERS_MAX else 1
    said = [
        len(share.status.get("voters") or ())
        for share in specs.running_shares_of(context.session, context.operation.cluster_id)
    ]
    if count > 1 and max(said, default=0) < wanted:
        raise NotYet(f"{max(said, default=0)} of {wanted} brokers vote in the metadata quorum yet")
    return None


def raise_replication(context: StepContext) -> Output:
    """Ask for the replicas that the old plan could not have.

    Internal topics go before: the brokers see to those by themselves, and agents wait for it.
    """
    cluster = context.cluster()
    _widen(context, cluster)
    return {"generation": specs.publish(context.session, cluster.id, now=context.now)}


def await_replication(context: StepContext) -> Output:
    """Wait until every replica is where it shall be and in sync; topics made meanwhile, too."""
    cluster = context.cluster()
    if len(clusters.brokers(context.session, cluster)) == 1:
        await_nodes.applied(context, context.output_of(raise_replication)["generation"])
        return None
    _widen(context, cluster)
    generation = specs.publish(context.session, cluster.id, now=context.now)
    await_nodes.applied(context, generation)
    await_nodes.replicated(context, generation)
    return None


def switch_plan(context: StepContext) -> Output:
    """The new plan from this moment on: limits, and each second is billed once."""
    cluster = context.cluster()
    plan = _plan(context)
    if cluster.plan != plan.name:
        _widen(context, cluster)
        usage.switch_interval(context.session, cluster, plan.name, at=context.now)
        events.emit(
            context.session,
            cluster.addon,
            "addon.plan_changed",
            now=context.now,
            plan=plan.name,
            before=context.operation.input["before"],
        )
    return {"generation": specs.publish(context.session, cluster.id, now=context.now)}


def mark_changed(context: StepContext) -> Output:
    cluster = context.cluster()
    clusters.move(cluster, ClusterState.AVAILABLE)
    return None


def on_failed(context: StepContext) -> None:
    """Say why where the user looks; the cluster is as it was."""
    cluster = context.cluster()
    addon = cluster.addon
    wanted = addon.plan
    addon.plan, addon.updated_at = cluster.plan, context.now
    addon.state_reason = f"The change to {wanted} was given up: {context.operation.reason}"
    clusters.move(cluster, ClusterState.AVAILABLE)
    events.emit(
        context.session,
        addon,
        "addon.plan_change_failed",
        now=context.now,
        plan=wanted,
        reason=context.operation.reason,
    )


def revoke_unplaced(context: StepContext) -> None:
    """Identities of nodes that got no broker after all."""
    credentials.revoke_unplaced(context.session, context.cluster(), now=context.now)


def _plan(context: StepContext) -> Plan:
    return PLANS[context.operation.input["after"]]


def _widen(context: StepContext, cluster: Cluster) -> None:
    old, new = PLANS[context.operation.input["before"]], _plan(context)
    for topic in topics.of_cluster(context.session, cluster):
        topic.reshape(plan_changes.widened(old, new, topic.shape))
    context.session.flush()


CHANGE_PLAN = Saga(
    steps=(
        Step(reserve_places, undo=release_places),
        Step(issue_credentials, undo=revoke_unplaced),
        Step(publish_candidates, undo=release_places),
        Step(await_addresses),
        Step(publish_members, attempts_max=AGAIN_MAX),
        Step(await_brokers, attempts_max=AGAIN_MAX, wait_max=NEVER),
        Step(await_voters, attempts_max=AGAIN_MAX, wait_max=NEVER),
        Step(raise_replication, attempts_max=AGAIN_MAX),
        Step(await_replication, attempts_max=AGAIN_MAX, wait_max=NEVER),
        Step(switch_plan, attempts_max=AGAIN_MAX),
        Step(publish_config_vars, attempts_max=AGAIN_MAX),
        Step(mark_changed, attempts_max=AGAIN_MAX),
    ),
    on_failed=on_failed,
)
