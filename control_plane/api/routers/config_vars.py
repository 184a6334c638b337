"""Config vars: an app's environment. Replies hold secrets, so nothing on the way may keep them."""

from typing import Annotated

from fastapi import APIRouter, Body, Response

from control_plane.api.routers.apps import AppDep
from control_plane.api.schemas.bodies import check_storable
from control_plane.domain.errors import Invalid
from control_plane.http.context import ContextDep
from control_plane.http.units import SessionDep, TransactionRoute
from control_plane.services import config_vars

router = APIRouter(
    prefix="/apps/{app}/config-vars", tags=["config vars"], route_class=TransactionRoute
)
CHANGES_MAX = 500


@router.get("")
def read_config_vars(
    app: AppDep, session: SessionDep, context: ContextDep, response: Response
) -> dict[str, str]:
    response.headers["Cache-Control"] = "no-store"
    return config_vars.all_of(session, app, sealer=context.sealer)


@router.patch("")
def change_config_vars(
    app: AppDep,
    changes: Annotated[dict[str, str | None], Body(max_length=CHANGES_MAX)],
    session: SessionDep,
    context: ContextDep,
    response: Response,
) -> dict[str, str]:
    """Set (text) and remove (null) the user's own vars; those of add-ons are refused."""
    response.headers["Cache-Control"] = "no-store"
    try:
        check_storable(changes)
    except ValueError as error:
        raise Invalid(f"A config var's {error}.") from None
    return config_vars.patch(session, app, changes, sealer=context.sealer, now=context.clock.now())
