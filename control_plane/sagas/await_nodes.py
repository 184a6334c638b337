"""Waiting for nodes: what their reports must say before a saga goes on."""

from collections.abc import Iterable

from control_plane.domain.health import faults
from control_plane.models import ClusterSpecRow
from control_plane.sagas.engine import NotYet, StepContext, StepFailed
from control_plane.services import clusters, specs


def observed(context: StepContext, generation: int) -> None:
    """Wait until every node of the cluster has wholly applied `generation`."""
    shares = specs.shares_of(context.session, context.operation.cluster_id)
    if not shares or any(share.observed_generation < generation for share in shares):
        raise NotYet(problems(shares) or "waiting for the nodes to apply the change")


def ready(context: StepContext, generation: int) -> None:
    """Wait until `generation` is applied and every broker is ready at a known port."""
    shares = specs.shares_of(context.session, context.operation.cluster_id)
    if any(share.status.get("phase") == "failed" for share in shares):
        # Agents say `failed` where only a change of something outside can help.
        raise StepFailed(problems(shares) or "the brokers failed to start")
    observed(context, generation)
    brokers = clusters.brokers(context.session, context.cluster())
    if any(share.status.get("phase") != "ready" for share in shares) or any(
        broker.phase != "ready" or broker.port is None for broker in brokers
    ):
        raise NotYet(problems(shares) or "waiting for the brokers to be ready")


def absent(context: StepContext) -> None:
    """Wait until no node has anything left of the cluster; reports remove the shares."""
    shares = specs.shares_of(context.session, context.operation.cluster_id)
    if shares:
        raise NotYet(problems(shares) or "waiting for the nodes to remove the cluster")


def problems(shares: Iterable[ClusterSpecRow]) -> str:
    """Gather what nodes say is wrong, in their own words; empty if nothing is."""
    found = [text for share in shares for text in faults(share.status.get("conditions", []))]
    return " ".join(dict.fromkeys(found))
