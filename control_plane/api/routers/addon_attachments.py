"""Attachments: one add-on shared among apps."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from control_plane.api.replies import AddonReplies, addon_replies
from control_plane.api.routers.addons import AddonDep
from control_plane.api.routers.apps import AppDep
from control_plane.api.schemas.addon_attachments import (
    AttachmentCreate,
    AttachmentOut,
    AttachmentResolve,
    text_of,
)
from control_plane.domain.errors import Invalid, NotFound
from control_plane.http.auth import AccountDep
from control_plane.http.context import ContextDep
from control_plane.http.errors import check_path_text
from control_plane.http.idempotency import remember
from control_plane.http.pagination import PageDep, paginate
from control_plane.http.units import SessionDep, TransactionRoute
from control_plane.models import Account, Addon, App, Attachment
from control_plane.services import addons, apps, attachments

router = APIRouter(
    tags=["attachments"], route_class=TransactionRoute, dependencies=[Depends(remember)]
)
RepliesDep = Annotated[AddonReplies, Depends(addon_replies)]


@router.get("/apps/{app}/addon-attachments")
def list_attachments_of_app(
    app: AppDep,
    account: AccountDep,
    session: SessionDep,
    page: PageDep,
    replies: RepliesDep,
    request: Request,
    response: Response,
) -> list[AttachmentOut]:
    of_app = attachments.query(account).where(Attachment.app_id == app.id)
    return replies.attachments(paginate(session, of_app, Attachment.id, page, request, response))


@router.get("/apps/{app}/addon-attachments/{attachment}")
def read_attachment_of_app(
    app: AppDep, attachment: str, account: AccountDep, session: SessionDep, replies: RepliesDep
) -> AttachmentOut:
    """By id, by name, or by the add-on's own name."""
    text = check_path_text(attachment, "add-on attachment")
    return replies.attachments([attachments.get(session, account, text, app=app)])[0]


@router.get("/addons/{addon}/addon-attachments")
def list_attachments_of_addon(
    addon: AddonDep, session: SessionDep, replies: RepliesDep
) -> list[AttachmentOut]:
    return replies.attachments(attachments.of_addon(session, addon))


@router.get("/addon-attachments")
def list_attachments(
    account: AccountDep,
    session: SessionDep,
    page: PageDep,
    replies: RepliesDep,
    request: Request,
    response: Response,
) -> list[AttachmentOut]:
    found = paginate(session, attachments.query(account), Attachment.id, page, request, response)
    return replies.attachments(found)


@router.get("/addon-attachments/{attachment}")
def read_attachment(
    attachment: str, account: AccountDep, session: SessionDep, replies: RepliesDep
) -> AttachmentOut:
    text = check_path_text(attachment, "add-on attachment")
    return replies.attachments([attachments.get(session, account, text)])[0]


@router.post("/addon-attachments", status_code=201)
def create_attachment(
    body: AttachmentCreate,
    account: AccountDep,
    session: SessionDep,
    context: ContextDep,
    replies: RepliesDep,
) -> AttachmentOut:
    """Attach an add-on to one more app of the account; its config vars appear there at once."""
    if body.namespace:
        raise Invalid("Kafka add-ons have no namespaces.", field="namespace")
    addon, app = _both(session, account, body)
    attachment = attachments.create(
        session,
        addon,
        app,
        name=body.name,
        now=context.clock.now(),
        rng=context.rng,
        sealer=context.sealer,
    )
    return replies.attachments([attachment])[0]


def _both(session: SessionDep, account: Account, body: AttachmentCreate) -> tuple[Addon, App]:
    return (
        addons.get(session, account, text_of(body.addon)),
        apps.get(session, account, text_of(body.app)),
    )


@router.delete("/addon-attachments/{attachment}")
def destroy_attachment(
    attachment: str,
    account: AccountDep,
    session: SessionDep,
    context: ContextDep,
    replies: RepliesDep,
) -> AttachmentOut:
    """Detach; the config vars it brought go. The last one of the paying app stays."""
    text = check_path_text(attachment, "add-on attachment")
    found = attachments.get(session, account, text)
    out = replies.attachments([found])[0]
    attachments.destroy(session, found, now=context.clock.now())
    return out


@router.post("/actions/addon-attachments/resolve")
def resolve_attachment(
    body: AttachmentResolve,
    account: AccountDep,
    session: SessionDep,
    context: ContextDep,
    replies: RepliesDep,
) -> list[AttachmentOut]:
    """Find attachments by id, name, config var, add-on name, `app::NAME` or service slug."""
    app = apps.get(session, account, body.app) if body.app else None
    slug = context.settings.addon_slug
    found = attachments.resolve(session, account, body.addon_attachment, slug=slug, app=app)
    if not found:
        raise NotFound("Couldn't find that add-on attachment.")
    return replies.attachments(found)
