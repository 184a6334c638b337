"""From a node that is lost for good to others that run its brokers.

Until the new places are known to everybody all can be taken back, and is if the node reports again.
Then it only goes forward: the brokers copy what the others have, are rolled to know the new node's
agent, and apps get the new addresses.
"""

import datetime as dt
import uuid

from control_plane.models import Node
from control_plane.sagas import await_nodes
from control_plane.sagas.change_plan import (
    AGAIN_MAX,
    NEVER,
    await_voters,
    publish_candidates,
)
from control_plane.sagas.engine import NotYet, Output, Saga, Step, StepContext, StepFailed
from control_plane.sagas.provision_cluster import (
    await_addresses,
    issue_credentials,
    publish_config_vars,
)
from control_plane.services import clusters, credentials, events, replacements, specs

LOOK_AGAIN = dt.timedelta(seconds=5)


def choose_places(context: StepContext) -> Output:
    """Wait for a node with room, as long as it takes, or until the lost one is back."""
    cluster, node = context.cluster(), _node(context)
    if not clusters.is_silent(node, now=context.now):
        raise StepFailed(f"node {node.name} reports again, so nothing was moved")
    if why := replacements.missing_majority(context.session, cluster, now=context.now):
        raise NotYet(why, LOOK_AGAIN)
    moved = replacements.move(context.session, cluster, node.id, now=context.now)
    if moved is None:
        brokers = ", ".join(map(str, context.operation.input["broker_ids"]))
        raise NotYet(
            f"no other node that reports has room for broker {brokers} of node {node.name}: start "
            f"an agent on another machine, or bring {node.name} back",
            LOOK_AGAIN,
        )
    return {"places": {str(row.broker_id): row.node.name for row in moved}}


def give_places_back(context: StepContext) -> None:
    cluster = context.cluster()
    replacements.give_back(context.session, cluster)
    credentials.revoke_unplaced(context.session, cluster, now=context.now)
    credentials.ensure_brokers(context.session, cluster, sealer=context.sealer, now=context.now)
    specs.publish(context.session, cluster.id, now=context.now)


def publish_places(context: StepContext) -> Output:
    cluster = context.cluster()
    replacements.settle(context.session, cluster)
    return {"generation": specs.publish(context.session, cluster.id, now=context.now)}


def await_brokers(context: StepContext) -> Output:
    """They serve, and every other broker has been rolled to know who administers them."""
    await_nodes.serving(context, context.output_of(publish_places)["generation"])
    return None


def await_replicas(context: StepContext) -> Output:
    await_nodes.replicated(context, context.output_of(publish_places)["generation"])
    return None


def revoke_lost(context: StepContext) -> Output:
    """The lost node's agent may administer nothing any more."""
    credentials.revoke_unplaced(context.session, context.cluster(), now=context.now)
    return None


def note_replaced(context: StepContext) -> Output:
    _emit(context, "cluster.node_replaced", **context.output_of(choose_places))
    return None


def on_failed(context: StepContext) -> None:
    _emit(context, "cluster.node_not_replaced", reason=context.operation.reason)


def _node(context: StepContext) -> Node:
    node_id = uuid.UUID(context.operation.input["node_id"])
    return context.session.get_one(Node, node_id, populate_existing=True)


def _emit(context: StepContext, type_: str, **more: object) -> None:
    """Once for an operation: nothing else here would show that it was told."""
    addon, operation = context.cluster().addon, context.operation
    told = events.of_operation(context.session, addon, str(operation.id))
    if type_ not in told:
        more |= {"operation": str(operation.id), "node": operation.input["name"]}
        events.emit(context.session, addon, type_, now=context.now, **more)


REPLACE_NODE = Saga(
    steps=(
        Step(choose_places, undo=give_places_back, wait_max=NEVER),
        Step(issue_credentials),
        Step(publish_candidates),
        Step(await_addresses),
        Step(publish_places, attempts_max=AGAIN_MAX),
        Step(await_brokers, attempts_max=AGAIN_MAX, wait_max=NEVER),
        Step(await_voters, attempts_max=AGAIN_MAX, wait_max=NEVER),
        Step(await_replicas, attempts_max=AGAIN_MAX, wait_max=NEVER),
        Step(publish_config_vars, attempts_max=AGAIN_MAX),
        Step(revoke_lost, attempts_max=AGAIN_MAX),
        Step(note_replaced, attempts_max=AGAIN_MAX),
    ),
    on_failed=on_failed,
)
