"""Nodes: the operator's list and invitations. What agents call is in node_agents.py."""

import datetime as dt

from fastapi import APIRouter, Request, Response

from control_plane.api.schemas.nodes import (
    NodeOut,
    NodeReplacementOut,
    NodeTokenCreate,
    NodeTokenOut,
    node_out,
    node_replacement_out,
)
from control_plane.http.auth import OperatorDep
from control_plane.http.context import ContextDep
from control_plane.http.pagination import PageDep, paginate
from control_plane.http.units import SessionDep, TransactionRoute, UnitDep
from control_plane.http.wake import wake_after_commit
from control_plane.models import Node
from control_plane.services import node_replacements, nodes

router = APIRouter(tags=["nodes"], route_class=TransactionRoute)


@router.get("/nodes")
def list_nodes(
    _operator: OperatorDep, session: SessionDep, page: PageDep, request: Request, response: Response
) -> list[NodeOut]:
    """For operators: the machines in service and what they last said."""
    found = paginate(session, nodes.query(), Node.id, page, request, response)
    return [node_out(node) for node in found]


@router.post("/nodes/tokens", status_code=201)
def invite_node(
    _operator: OperatorDep,
    session: SessionDep,
    context: ContextDep,
    response: Response,
    body: NodeTokenCreate | None = None,
) -> NodeTokenOut:
    """For operators: a one-time token with which one machine may join."""
    response.headers["Cache-Control"] = "no-store"
    seconds = (body or NodeTokenCreate()).expires_in
    token = nodes.invite(session, now=context.clock.now(), life=dt.timedelta(seconds=seconds))
    return NodeTokenOut(token=token, expires_in=seconds)


@router.put("/nodes/{node}/replacement", status_code=202)
def replace_node(
    node: str, _operator: OperatorDep, session: SessionDep, unit: UnitDep, context: ContextDep
) -> NodeReplacementOut:
    """For operators: have other nodes take over a lost node's brokers at once."""
    found, now = node_replacements.find(session, node), context.clock.now()
    begun = node_replacements.begin(session, found, now=now)
    for each in begun:
        wake_after_commit(unit, each.operation)
    return node_replacement_out(found, begun)


@router.get("/nodes/{node}/replacement")
def read_replacement(
    node: str, _operator: OperatorDep, session: SessionDep, context: ContextDep
) -> NodeReplacementOut:
    """For operators: how far that is."""
    found = node_replacements.find(session, node)
    now = context.clock.now()
    return node_replacement_out(found, node_replacements.of_node(session, found, now=now))
