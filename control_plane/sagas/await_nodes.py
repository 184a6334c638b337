"""Waiting for nodes: what their reports must say before a saga goes on."""

from collections.abc import Iterable, Sequence

from control_plane.domain.health import faults
from control_plane.models import ClusterSpecRow, Node
from control_plane.sagas.engine import NotYet, StepContext, StepFailed
from control_plane.services import clusters, specs


def observed(context: StepContext, generation: int) -> None:
    """Wait until every node of the cluster has wholly applied `generation`."""
    shares = specs.running_shares_of(context.session, context.operation.cluster_id)
    if not shares or any(share.observed_generation < generation for share in shares):
        raise NotYet(_why(context, shares, "waiting for the nodes to apply the change"))


def applied(context: StepContext, generation: int) -> None:
    """Wait until one node of the cluster has applied `generation`.

    Enough for topics and rights: whoever applies them does so for the whole cluster, and the
    cluster refuses what is older. So a node that is away holds up nothing.
    """
    shares = specs.running_shares_of(context.session, context.operation.cluster_id)
    if all(share.observed_generation < generation for share in shares):
        raise NotYet(problems(shares) or "waiting for the nodes to apply the change")


def addressed(context: StepContext) -> None:
    """Wait until the nodes have told the ports by which brokers of other nodes reach theirs."""
    missing = clusters.unaddressed(context.session, context.cluster())
    if missing:
        shares = specs.running_shares_of(context.session, context.operation.cluster_id)
        brokers = ", ".join(map(str, missing))
        raise NotYet(problems(shares) or f"waiting for the ports of broker {brokers}")


def ready(context: StepContext, generation: int) -> None:
    """Wait until `generation` is applied and every broker is ready at a known port."""
    shares = specs.running_shares_of(context.session, context.operation.cluster_id)
    if any(share.status.get("phase") == "failed" for share in shares):
        # Agents say `failed` where only a change of something outside can help.
        raise StepFailed(problems(shares) or "the brokers failed to start")
    observed(context, generation)
    brokers = clusters.brokers(context.session, context.cluster())
    if any(share.status.get("phase") != "ready" for share in shares) or any(
        broker.phase != "ready" or broker.port is None for broker in brokers
    ):
        raise NotYet(problems(shares) or "waiting for the brokers to be ready")


def serving(context: StepContext, generation: int) -> None:
    """As `ready`, but never given up: what has begun to join cannot be taken back."""
    observed(context, generation)
    rows = clusters.brokers(context.session, context.cluster())
    waiting = [row.broker_id for row in rows if row.phase != "ready" or row.port is None]
    if waiting:
        shares = specs.running_shares_of(context.session, context.operation.cluster_id)
        brokers = ", ".join(map(str, waiting))
        raise NotYet(_why(context, shares, f"waiting for broker {brokers} to serve"))


def replicated(context: StepContext, generation: int) -> None:
    """Wait until a node that has applied `generation` sees every replica in sync, none moving."""
    shares = [
        share
        for share in specs.running_shares_of(context.session, context.operation.cluster_id)
        if share.observed_generation >= generation
    ]
    moving = [
        f"{topic['name']}: {topic['pending']}"
        for share in shares
        for topic in share.status.get("topics", [])
        if topic.get("pending")
    ]
    if moving:
        raise NotYet("; ".join(dict.fromkeys(moving)))
    behind = min((share.status.get("out_of_sync_count") or 0 for share in shares), default=0)
    if behind:
        raise NotYet(f"{behind} partitions wait for a replica to be in sync")


def absent(context: StepContext) -> None:
    """Wait until no node has anything left of the cluster; reports remove the shares.

    A node that was lost, and replaced, is told when it is back.
    """
    shares = [
        share
        for share in specs.shares_of(context.session, context.operation.cluster_id)
        if not clusters.is_lost(context.session, share, now=context.now)
    ]
    if shares:
        raise NotYet(problems(shares) or "waiting for the nodes to remove the cluster")


def _why(context: StepContext, shares: Iterable[ClusterSpecRow], otherwise: str) -> str:
    """What holds up a wait for every node: one that is silent, what the others say, or nothing."""
    silent = clusters.silent_nodes(context.session, context.cluster(), now=context.now)
    gone = {node.id for node in silent}
    said = problems(share for share in shares if share.node_id not in gone)
    return " ".join(filter(None, (_missing(silent), said))) or otherwise


def _missing(silent: Sequence[Node]) -> str:
    """What can be done about nodes that do not report, in words."""
    if not silent:
        return ""
    names = " and ".join(node.name for node in silent)
    return (
        f"node {names} does not report: bring it back, or it is replaced by another with room once "
        "it is taken for lost (at once by ottla nodes:replace)"
    )


def problems(shares: Iterable[ClusterSpecRow]) -> str:
    """Gather what nodes say is wrong, in their own words; empty if nothing is."""
    found = [text for share in shares for text in faults(share.status.get("conditions", []))]
    return " ".join(dict.fromkeys(found))
