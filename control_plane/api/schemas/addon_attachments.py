"""Attachments: an add-on's link to an app, and the names of the config vars it brings."""

from pydantic import Field

from control_plane.api.schemas.bodies import Body, Moment, Named, Out, Reference
from control_plane.api.schemas.plans import PlanReference, plan_reference
from control_plane.domain.plans import PLANS
from control_plane.models import Attachment


class AttachmentCreate(Body):
    addon: Reference | str
    app: Reference | str
    name: str | None = Field(default=None, max_length=64)
    namespace: str | None = None
    confirm: str | None = None


class AttachmentResolve(Body):
    app: str | None = None
    addon_attachment: str = Field(min_length=1, max_length=256)
    addon_service: str | None = None


class AttachedAddon(Out):
    id: str
    name: str
    app: Named
    plan: PlanReference


class AttachmentOut(Out):
    id: str
    name: str
    namespace: str | None = None
    addon: AttachedAddon
    app: Named
    config_vars: list[str]  # the brokers' _URL first
    web_url: str
    log_input_url: str | None = None
    created_at: Moment
    updated_at: Moment


def text_of(reference: Reference | str) -> str:
    return reference if isinstance(reference, str) else reference.text


def attachment_out(
    attachment: Attachment, *, slug: str, public_url: str, config_vars: list[str]
) -> AttachmentOut:
    addon = attachment.addon
    return AttachmentOut(
        id=str(attachment.id),
        name=attachment.name,
        addon=AttachedAddon(
            id=str(addon.id),
            name=addon.name,
            app=Named(id=str(addon.app.id), name=addon.app.name),
            plan=plan_reference(PLANS[addon.plan], slug),
        ),
        app=Named(id=str(attachment.app.id), name=attachment.app.name),
        config_vars=config_vars,
        web_url=f"{public_url.rstrip('/')}/clusters/{addon.id}",
        created_at=attachment.created_at,
        updated_at=attachment.updated_at,
    )
