"""What an add-on has cost so far."""

from fastapi import APIRouter

from control_plane.api.routers.addons import AddonDep
from control_plane.api.schemas.usage import UsageOut, usage_out
from control_plane.http.context import ContextDep
from control_plane.http.units import SessionDep, TransactionRoute
from control_plane.services import usage

router = APIRouter(tags=["usage"], route_class=TransactionRoute)


@router.get("/addons/{addon}/usage")
def read_usage(addon: AddonDep, session: SessionDep, context: ContextDep) -> UsageOut:
    """Plan time and money over the add-on's whole life, a line per month and price."""
    return usage_out(addon, usage.cost(session, addon, now=context.clock.now()))
