"""From an add-on's destruction to nothing left of it, however far its provisioning had come.

Billing ended in the request itself (services/addons.py). Nothing here is undone: what is removed
does not come back. Where a node stays silent the operation fails, the add-on says why, and the
destruction can be asked for again or goes on by itself when the node reports.
"""

import datetime as dt

from control_plane.domain.cluster_states import ClusterState
from control_plane.sagas import await_nodes
from control_plane.sagas.engine import Output, Saga, Step, StepContext
from control_plane.services import addons, attachments, clusters, config_vars, credentials, specs

AWAIT_MAX = dt.timedelta(minutes=10)


def remove_config_vars(context: StepContext) -> Output:
    """Take the credentials out of apps first: nothing should start to use them now."""
    for attachment in attachments.of_addon(context.session, context.cluster().addon):
        config_vars.withdraw(context.session, attachment)
    return None


def publish_absent(context: StepContext) -> Output:
    generation = specs.publish(context.session, context.operation.cluster_id, now=context.now)
    return {"generation": generation}


def await_absent(context: StepContext) -> Output:
    await_nodes.absent(context)
    return None


def remove_certificates(context: StepContext) -> Output:
    credentials.revoke_all(context.session, context.cluster(), now=context.now)
    return None


def release_places(context: StepContext) -> Output:
    clusters.release(context.session, context.cluster())
    return None


def mark_deleted(context: StepContext) -> Output:
    cluster = context.cluster()
    clusters.move(cluster, ClusterState.DELETED)
    cluster.deleted_at = cluster.deleted_at or context.now
    if cluster.addon.deleted_at is None:
        addons.mark_deprovisioned(context.session, cluster.addon, now=context.now)
    return None


def on_failed(context: StepContext) -> None:
    addon = context.cluster().addon
    addon.state_reason, addon.updated_at = context.operation.reason, context.now


DEPROVISION_CLUSTER = Saga(
    steps=(
        Step(remove_config_vars),
        Step(publish_absent),
        Step(await_absent, wait_max=AWAIT_MAX),
        Step(remove_certificates),
        Step(release_places),
        Step(mark_deleted),
    ),
    on_failed=on_failed,
)
