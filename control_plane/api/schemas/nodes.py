"""Nodes as operators see them. What agents say and hear is in data_plane.contract."""

from pydantic import Field

from control_plane.api.schemas.bodies import Body, Moment, Out
from control_plane.models import Node


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
