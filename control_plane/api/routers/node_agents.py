"""Internal routes that node agents call: register, wait for a newer spec, report.

Agents register once with a one-time token and sign every later request with their key. The long
poll holds neither a thread nor a database connection while it waits.
"""

import uuid
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from control_plane.domain.errors import Unauthorized
from control_plane.http.auth import authorization_of
from control_plane.http.context import ContextDep
from control_plane.http.node_auth import SignedRequest, read_signature, verify
from control_plane.http.units import SessionDep, TransactionRoute, UnitDep, in_session
from control_plane.http.wake import wake_ids_after_commit
from control_plane.services import nodes, specs
from data_plane.contract.report import (
    NodeRegistered,
    NodeRegistration,
    NodeReport,
    ReportReply,
)
from data_plane.contract.spec import NodeSpec

router = APIRouter(
    prefix="/internal/nodes", tags=["node agents (internal)"], route_class=TransactionRoute
)
SignedDep = Annotated[SignedRequest, Depends(read_signature)]

WAIT_S_MAX = 60
LOOK_EVERY_S = 0.1  # one row by primary key; a provisioning waits for this look


@router.post("", status_code=201)
def register_node(
    request: Request, registration: NodeRegistration, session: SessionDep, context: ContextDep
) -> NodeRegistered:
    """Trade a one-time token for an identity; repeated with the same keys, the same identity."""
    scheme, token = authorization_of(request)
    if scheme != "bearer":
        raise Unauthorized("A node registers with Authorization: Bearer <node token>.")
    node = nodes.register(session, registration, token=token, now=context.clock.now())
    return NodeRegistered(node_id=str(node.id))


@router.get("/{node}/spec")
async def read_spec(
    node: str,
    signed: SignedDep,
    context: ContextDep,
    after: Annotated[int, Query(ge=0)] = 0,
    wait_s: Annotated[float, Query(ge=0, le=WAIT_S_MAX)] = 0,
) -> Response:
    """The whole NodeSpec once its generation is greater than `after`, or 304 after `wait_s`."""

    def authenticate(session: Session) -> uuid.UUID:
        return verify(session, signed, path_node=node, now=context.clock.now()).id

    def look(session: Session) -> NodeSpec | None:
        return specs.after(session, node_id, after)

    node_id = await in_session(context.sessions, authenticate)
    spec = await in_session(context.sessions, look)
    with anyio.move_on_after(wait_s):
        while spec is None:
            await anyio.sleep(LOOK_EVERY_S)
            spec = await in_session(context.sessions, look)
    if spec is None:
        return Response(status_code=304)
    return Response(spec.model_dump_json(), media_type="application/json")


@router.post("/{node}/reports")
def take_report(
    node: str,
    signed: SignedDep,
    report: NodeReport,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
) -> ReportReply:
    """Store what the agent believes; tell it the latest generation, and wake who waited for it."""
    now = context.clock.now()
    sender = verify(session, signed, path_node=node, now=now)
    wake_ids_after_commit(unit, nodes.record_report(session, sender, report, now=now))
    return ReportReply(latest_generation=specs.latest_generation(session, sender.id))
