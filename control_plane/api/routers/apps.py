"""Apps: what add-ons are bought for."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from control_plane.api.schemas.apps import AppCreate, AppOut, app_out
from control_plane.http.auth import AccountDep
from control_plane.http.context import ContextDep
from control_plane.http.errors import check_path_text
from control_plane.http.idempotency import remember
from control_plane.http.pagination import PageDep, paginate
from control_plane.http.request_ids import request_id_of
from control_plane.http.units import SessionDep, TransactionRoute, UnitDep
from control_plane.http.wake import wake_after_commit
from control_plane.models import App
from control_plane.services import apps

router = APIRouter(
    prefix="/apps", tags=["apps"], route_class=TransactionRoute, dependencies=[Depends(remember)]
)


def app_of(app: str, account: AccountDep, session: SessionDep) -> App:
    """The app of the path, by id or name."""
    return apps.get(session, account, check_path_text(app, "app"))


AppDep = Annotated[App, Depends(app_of)]


@router.post("", status_code=201)
def create_app(
    account: AccountDep, session: SessionDep, context: ContextDep, body: AppCreate | None = None
) -> AppOut:
    name = body.name if body else None
    return app_out(
        apps.create(session, account, name=name, now=context.clock.now(), rng=context.rng)
    )


@router.get("")
def list_apps(
    account: AccountDep, session: SessionDep, page: PageDep, request: Request, response: Response
) -> list[AppOut]:
    found = paginate(session, apps.query(account), App.id, page, request, response)
    return [app_out(app) for app in found]


@router.get("/{app}")
def read_app(app: AppDep) -> AppOut:
    return app_out(app)


@router.delete("/{app}")
def destroy_app(
    app: AppDep, session: SessionDep, unit: UnitDep, context: ContextDep, request: Request
) -> AppOut:
    """End an app; its add-ons are deprovisioned in the background."""
    started = apps.destroy(
        session, app, now=context.clock.now(), request_id=request_id_of(request.scope)
    )
    wake_after_commit(unit, *started)
    return app_out(app)
