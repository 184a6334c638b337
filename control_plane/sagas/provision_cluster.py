"""From an add-on's row to brokers that serve it."""

from control_plane.domain.cluster_states import ClusterState
from control_plane.domain.health import SILENCE
from control_plane.domain.states import AddonState
from control_plane.sagas import await_nodes
from control_plane.sagas.engine import NotYet, Output, Saga, Step, StepContext
from control_plane.services import (
    attachments,
    clusters,
    config_vars,
    credentials,
    events,
    specs,
    usage,
)


def reserve_nodes(context: StepContext) -> Output:
    cluster = context.cluster()
    plan = clusters.plan_of(cluster)
    if not clusters.place(context.session, cluster, plan, now=context.now, silence=SILENCE):
        raise NotYet("no node with room for another broker has reported lately")
    return None


def release_nodes(context: StepContext) -> None:
    clusters.release(context.session, context.cluster())


def mint_ca(context: StepContext) -> Output:
    credentials.ensure_ca(
        context.session, context.cluster(), sealer=context.sealer, now=context.now
    )
    return None


def issue_credentials(context: StepContext) -> Output:
    cluster = context.cluster()
    credentials.ensure_brokers(context.session, cluster, sealer=context.sealer, now=context.now)
    credentials.ensure_clients(context.session, cluster, sealer=context.sealer, now=context.now)
    return None


def revoke_credentials(context: StepContext) -> None:
    credentials.revoke_all(context.session, context.cluster(), now=context.now)


def publish_spec(context: StepContext) -> Output:
    """Write the desired spec; a second run finds the generation that the first one wrote."""
    generation = specs.publish(context.session, context.operation.cluster_id, now=context.now)
    return {"generation": generation}


def withdraw_spec(context: StepContext) -> None:
    """Have the nodes remove the cluster, and wait for it; a silent node is told when it is back."""
    cluster = context.cluster()
    clusters.move(cluster, ClusterState.DELETING)
    specs.publish(context.session, cluster.id, now=context.now)
    await_nodes.absent(context)


def await_addresses(context: StepContext) -> Output:
    """Brokers of several nodes must know each other's ports, which their agents choose."""
    await_nodes.addressed(context)
    return None


def publish_members(context: StepContext) -> Output:
    cluster = context.cluster()
    clusters.admit(context.session, cluster)
    return {"generation": specs.publish(context.session, cluster.id, now=context.now)}


def await_ready(context: StepContext) -> Output:
    await_nodes.ready(context, context.output_of(publish_members)["generation"])
    return None


def publish_config_vars(context: StepContext) -> Output:
    addon = context.cluster().addon
    values = credentials.client_values(context.session, addon.id, sealer=context.sealer)
    for attachment in attachments.of_addon(context.session, addon):
        config_vars.publish(
            context.session, attachment, values, sealer=context.sealer, now=context.now
        )
    return None


def withdraw_config_vars(context: StepContext) -> None:
    for attachment in attachments.of_addon(context.session, context.cluster().addon):
        config_vars.withdraw(context.session, attachment)


def open_meter(context: StepContext) -> Output:
    usage.open_interval(context.session, context.cluster(), at=context.now)
    return None


def void_meter(context: StepContext) -> None:
    """Close the meter where it began: a provisioning that failed is not charged."""
    usage.close_interval(
        context.session, context.operation.cluster_id, at=context.operation.created_at
    )


def mark_available(context: StepContext) -> Output:
    cluster = context.cluster()
    clusters.move(cluster, ClusterState.AVAILABLE)
    cluster.available_at = cluster.available_at or context.now
    addon = cluster.addon
    if addon.state == AddonState.PROVISIONING:
        addon.state, addon.updated_at = AddonState.PROVISIONED, context.now
        events.emit(context.session, addon, "addon.provisioned", now=context.now)
    return None


def on_failed(context: StepContext) -> None:
    """Say why where the user looks; the cluster is gone, or goes when its node is back."""
    cluster = context.cluster()
    addon = cluster.addon
    addon.state, addon.state_reason = AddonState.FAILED, context.operation.reason
    addon.updated_at = context.now
    clusters.move(cluster, ClusterState.DELETING)
    if not specs.shares_of(context.session, cluster.id):
        clusters.move(cluster, ClusterState.DELETED)
        cluster.deleted_at = context.now
    events.emit(
        context.session, addon, "addon.failed", now=context.now, reason=context.operation.reason
    )


PROVISION_CLUSTER = Saga(
    steps=(
        Step(reserve_nodes, undo=release_nodes),
        Step(mint_ca),
        Step(issue_credentials, undo=revoke_credentials),
        Step(publish_spec, undo=withdraw_spec),
        Step(await_addresses),
        Step(publish_members),
        Step(await_ready),
        Step(publish_config_vars, undo=withdraw_config_vars),
        Step(open_meter, undo=void_meter),
        Step(mark_available),
    ),
    on_failed=on_failed,
)
