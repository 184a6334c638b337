"""Add-ons: bought for an app, made and removed in the background."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from control_plane.api.replies import AddonReplies, addon_replies
from control_plane.api.routers.apps import AppDep
from control_plane.api.schemas.addons import AddonChange, AddonCreate, AddonOut, AddonResolve
from control_plane.domain.errors import NotFound
from control_plane.http.auth import AccountDep
from control_plane.http.context import ContextDep
from control_plane.http.errors import check_path_text
from control_plane.http.idempotency import remember
from control_plane.http.pagination import PageDep, paginate
from control_plane.http.request_ids import request_id_of
from control_plane.http.units import SessionDep, TransactionRoute, UnitDep
from control_plane.http.wake import wake_after_commit
from control_plane.models import Addon
from control_plane.services import addons, apps, throughput

router = APIRouter(tags=["add-ons"], route_class=TransactionRoute, dependencies=[Depends(remember)])
RepliesDep = Annotated[AddonReplies, Depends(addon_replies)]


def addon_of(addon: str, account: AccountDep, session: SessionDep) -> Addon:
    """The add-on of the path, by id or name."""
    return addons.get(session, account, check_path_text(addon, "add-on"))


def addon_of_app(addon: str, app: AppDep, account: AccountDep, session: SessionDep) -> Addon:
    return addons.get(session, account, check_path_text(addon, "add-on"), app=app)


AddonDep = Annotated[Addon, Depends(addon_of)]
AddonOfAppDep = Annotated[Addon, Depends(addon_of_app)]


@router.post("/apps/{app}/addons", status_code=202)
def create_addon(
    app: AppDep,
    body: AddonCreate,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
    replies: RepliesDep,
    request: Request,
    response: Response,
) -> AddonOut:
    """Buy an add-on. It is there at once, and usable once its `state` reads `provisioned`."""
    addon, operation = addons.create(
        session,
        app,
        plan=body.plan_name,
        slug=context.settings.addon_slug,
        now=context.clock.now(),
        rng=context.rng,
        name=body.name,
        attachment_name=body.attachment.name if body.attachment else None,
        options=body.config,
        offer_extended=context.settings.extended_plans,
        request_id=request_id_of(request.scope),
    )
    wake_after_commit(unit, operation)
    response.headers["Location"] = f"/operations/{operation.id}"
    return replies.one(addon)


@router.get("/apps/{app}/addons")
def list_addons_of_app(
    app: AppDep,
    account: AccountDep,
    session: SessionDep,
    page: PageDep,
    replies: RepliesDep,
    request: Request,
    response: Response,
) -> list[AddonOut]:
    of_app = addons.query(account).where(Addon.app_id == app.id)
    return replies.many(paginate(session, of_app, Addon.id, page, request, response))


@router.get("/apps/{app}/addons/{addon}")
def read_addon_of_app(addon: AddonOfAppDep, replies: RepliesDep) -> AddonOut:
    return replies.one(addon)


@router.patch("/apps/{app}/addons/{addon}", responses={202: {"model": AddonOut}})
def change_addon(
    addon: AddonOfAppDep,
    body: AddonChange,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
    replies: RepliesDep,
    request: Request,
    response: Response,
) -> AddonOut:
    """Change the plan: 202, and the cluster serves on while it is changed; 200 if it has it."""
    now = context.clock.now()
    cluster = addons.cluster_of(session, addon)
    used_bytes = throughput.gauge_now(session, cluster.id, "log_size_bytes", now=now)
    operation = addons.change_plan(
        session,
        addon,
        plan=body.plan_name,
        slug=context.settings.addon_slug,
        now=now,
        used_bytes=int(used_bytes or 0),
        offer_extended=context.settings.extended_plans,
        request_id=request_id_of(request.scope),
    )
    wake_after_commit(unit, operation)
    if operation is not None:
        response.status_code = 202
        response.headers["Location"] = f"/operations/{operation.id}"
    return replies.one(addon)


@router.delete("/apps/{app}/addons/{addon}", responses={202: {"model": AddonOut}})
def destroy_addon(
    addon: AddonOfAppDep,
    session: SessionDep,
    unit: UnitDep,
    context: ContextDep,
    replies: RepliesDep,
    request: Request,
    response: Response,
) -> AddonOut:
    """Deprovision: billing ends now, the data goes in the background."""
    operation = addons.destroy(
        session, addon, now=context.clock.now(), request_id=request_id_of(request.scope)
    )
    wake_after_commit(unit, operation)
    if operation is not None:
        response.status_code = 202
        response.headers["Location"] = f"/operations/{operation.id}"
    return replies.one(addon)


@router.get("/addons")
def list_addons(
    account: AccountDep,
    session: SessionDep,
    page: PageDep,
    replies: RepliesDep,
    request: Request,
    response: Response,
) -> list[AddonOut]:
    return replies.many(paginate(session, addons.query(account), Addon.id, page, request, response))


@router.get("/addons/{addon}")
def read_addon(addon: AddonDep, replies: RepliesDep) -> AddonOut:
    return replies.one(addon)


@router.post("/actions/addons/resolve")
def resolve_addon(
    body: AddonResolve,
    account: AccountDep,
    session: SessionDep,
    context: ContextDep,
    replies: RepliesDep,
) -> list[AddonOut]:
    """Find add-ons by id, name, attachment, config var or `app::NAME`. One or more, never none."""
    app = apps.get(session, account, body.app) if body.app else None
    slug = context.settings.addon_slug
    found = addons.resolve(session, account, body.addon, slug=slug, app=app)
    if not found:
        raise NotFound("Couldn't find that add-on.")
    return replies.many(found)
