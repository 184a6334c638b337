"""Attachments: the links of add-ons to apps, and the config vars they bring."""

import datetime as dt
import random
from collections.abc import Sequence

from sqlalchemy import Select, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control_plane.domain import names
from control_plane.domain.errors import Conflict, Gone, Invalid, NotFound
from control_plane.domain.states import AddonState
from control_plane.models import Account, Addon, App, Attachment, ConfigVar
from control_plane.pki.seal import Sealer
from control_plane.services import config_vars, credentials, events
from control_plane.services.lookup import uuid_from

INSERT_TRIES_MAX = 5


def query(account: Account) -> Select[Attachment]:
    """Select the attachments to the account's apps, for a list."""
    return (
        select(Attachment)
        .join(App, App.id == Attachment.app_id)
        .where(App.account_id == account.id, App.deleted_at.is_(None))
    )


def of_addon(session: Session, addon: Addon) -> Sequence[Attachment]:
    """Return the add-on's attachments, oldest first."""
    found = select(Attachment).where(Attachment.addon_id == addon.id).order_by(Attachment.id)
    return session.scalars(found).all()


def of_app(session: Session, app: App) -> Sequence[Attachment]:
    """Return the app's attachments, oldest first."""
    found = select(Attachment).where(Attachment.app_id == app.id).order_by(Attachment.id)
    return session.scalars(found).all()


def get(
    session: Session, account: Account, id_or_name: str, *, app: App | None = None
) -> Attachment:
    """Find by id, or within an app by name; an add-on's own name serves for its first attachment.

    Raises NotFound.
    """
    found = query(account).order_by(Attachment.id)
    if app is not None:
        found = found.where(Attachment.app_id == app.id)
    if attachment_id := uuid_from(id_or_name):
        found = found.where(Attachment.id == attachment_id)
    elif app is None:
        raise NotFound("Couldn't find that add-on attachment: name its app too.")
    else:
        found = found.join(Addon, Addon.id == Attachment.addon_id).where(
            (Attachment.name == id_or_name) | (Addon.name == id_or_name)
        )
    if (attachment := session.scalars(found).first()) is None:
        raise NotFound("Couldn't find that add-on attachment.")
    return attachment


def resolve(
    session: Session, account: Account, text: str, *, slug: str, app: App | None = None
) -> list[Attachment]:
    """Find attachments by id, name, `..._URL` var, add-on name, `app::NAME`, or the service slug.

    More than one means that the text is ambiguous; none is an empty list.
    """
    found = query(account).join(Addon, Addon.id == Attachment.addon_id).order_by(Attachment.id)
    if attachment_id := uuid_from(text):
        same = (Attachment.id == attachment_id) | (Attachment.addon_id == attachment_id)
        return list(session.scalars(found.where(same)))
    app_name, separator, bare = text.rpartition("::")
    if separator:
        found = found.where(App.name == app_name)
    elif app is not None:
        found = found.where(Attachment.app_id == app.id)
    if bare == slug:
        return list(session.scalars(found))
    is_named = Attachment.name.in_([bare, bare.removesuffix("_URL")]) | (Addon.name == bare)
    return list(session.scalars(found.where(is_named)))


def create(
    session: Session,
    addon: Addon,
    app: App,
    *,
    name: str | None,
    now: dt.datetime,
    rng: random.Random,
    sealer: Sealer,
) -> Attachment:
    """Attach an add-on to one more app; its config vars are there at once if it is provisioned.

    Raises Gone (being destroyed), Invalid (name), Conflict (name taken on that app).
    """
    session.refresh(addon, with_for_update={"key_share": True})
    if addon.state in {AddonState.DEPROVISIONING, AddonState.DEPROVISIONED}:
        raise Gone("That add-on is being destroyed.")
    attachment = insert(session, addon, app, name=name, now=now, rng=rng)
    if addon.state == AddonState.PROVISIONED:
        values = credentials.client_values(session, addon.id, sealer=sealer)
        config_vars.publish(session, attachment, values, sealer=sealer, now=now)
    return attachment


def insert(
    session: Session,
    addon: Addon,
    app: App,
    *,
    name: str | None,
    now: dt.datetime,
    rng: random.Random,
) -> Attachment:
    """Add the row. Raises Invalid (form, or a config var in the way) or Conflict (name taken)."""
    for _ in range(INSERT_TRIES_MAX):
        taken = {attachment.name for attachment in of_app(session, app)}
        if name is None:
            chosen = names.attachment_name(rng, taken)
        elif names.check_attachment_name(name) in taken:
            break
        else:
            chosen = name
        config_vars.check_free(session, app, names.config_var_names(chosen).values())
        attachment = Attachment(addon=addon, app=app, name=chosen, created_at=now, updated_at=now)
        try:
            with session.begin_nested():
                session.add(attachment)
        except IntegrityError:
            continue
        events.emit(session, addon, "attachment.created", now=now, name=chosen, app=app.name)
        return attachment
    raise Conflict(f"{app.name} already has an attachment named {name}.", field="name")


def destroy(session: Session, attachment: Attachment, *, now: dt.datetime) -> None:
    """Detach. Raises Invalid for the last link to the app that pays: destroy the add-on instead."""
    addon = attachment.addon
    session.refresh(addon, with_for_update={"key_share": True})
    own = [link for link in of_addon(session, addon) if link.app_id == addon.app_id]
    if own == [attachment]:
        raise Invalid(
            f"{attachment.name} is the last attachment of {addon.name} to {addon.app.name}, "
            "which pays for it: destroy the add-on instead."
        )
    remove(session, attachment)
    events.emit(session, addon, "attachment.destroyed", now=now, name=attachment.name)


def remove(session: Session, attachment: Attachment) -> None:
    """Delete an attachment and the config vars it brought."""
    session.execute(delete(ConfigVar).where(ConfigVar.attachment_id == attachment.id))
    session.delete(attachment)
    session.flush()


def config_var_names(attachment: Attachment) -> list[str]:
    """Return the names of the config vars it brings, the `_URL` first."""
    return list(names.config_var_names(attachment.name).values())
