"""Nodes as operators see them. What agents say and hear is in data_plane.contract."""

from pydantic import Field

from control_plane.api.schemas.bodies import Body, Moment, Out
from control_plane.api.schemas.operations import Progress, progress_of
from control_plane.domain.states import LIVE
from control_plane.models import Node
from control_plane.services.node_replacements import Replacement


class NodeOut(Out):
    id: str
    name: str
    advertised_host: str
    port_first: int
    port_last: int
    rack: str | None
    registered_at: Moment
    retired_at: Moment | None
    last_report_at: Moment | None
    observed_generation: int
    agent_version: str
    disk_free_bytes: int
    disk_total_bytes: int


class NodeTokenCreate(Body):
    expires_in: int = Field(default=3600, ge=60, le=30 * 86_400)  # seconds


class NodeTokenOut(Out):
    token: str  # shown once
    expires_in: int


def node_out(node: Node) -> NodeOut:
    return NodeOut(
        id=str(node.id),
        name=node.name,
        advertised_host=node.advertised_host,
        port_first=node.port_first,
        port_last=node.port_last,
        rack=node.rack,
        registered_at=node.registered_at,
        retired_at=node.retired_at,
        last_report_at=node.last_report_at,
        observed_generation=node.observed_generation,
        agent_version=node.agent_version,
        disk_free_bytes=node.disk_free_bytes,
        disk_total_bytes=node.disk_total_bytes,
    )


class ClusterReplacementOut(Out):
    """One cluster's brokers on the node, and how far they are on their way to another."""

    cluster_id: str
    addon: str
    broker_ids: list[int]
    state: str  # of the operation that moves them; refused: nothing was begun
    message: str  # why it was refused, waits or failed
    operation_id: str | None
    progress: Progress | None


class NodeReplacementOut(Out):
    node: str
    clusters: list[ClusterReplacementOut]


def node_replacement_out(node: Node, found: list[Replacement]) -> NodeReplacementOut:
    return NodeReplacementOut(node=node.name, clusters=[_cluster_out(each) for each in found])


def _cluster_out(found: Replacement) -> ClusterReplacementOut:
    operation = found.operation
    is_live = operation is not None and operation.state in LIVE
    reason = operation.reason if operation else ""
    return ClusterReplacementOut(
        cluster_id=str(found.cluster.id),
        addon=found.cluster.addon.name,
        broker_ids=found.broker_ids,
        state="refused" if found.refused else str(operation.state if operation else "pending"),
        message=found.refused or reason,
        operation_id=str(operation.id) if operation else None,
        progress=progress_of(operation) if operation and is_live else None,
    )
