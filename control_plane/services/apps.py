"""Apps: create, find, destroy with everything bought for them."""

import datetime as dt
import random

from sqlalchemy import Select, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control_plane.domain import names
from control_plane.domain.errors import Conflict, NotFound
from control_plane.models import Account, Addon, App, Attachment, ConfigVar, Operation
from control_plane.services import addons
from control_plane.services.lookup import uuid_from

NAME_TRIES_MAX = 5


def query(account: Account) -> Select[App]:
    """Select the account's living apps, for a list."""
    return select(App).where(App.account_id == account.id, App.deleted_at.is_(None))


def get(session: Session, account: Account, id_or_name: str) -> App:
    """Find a living app of the account. Raises NotFound."""
    app_id = uuid_from(id_or_name)
    by = App.id == app_id if app_id else App.name == id_or_name
    if (app := session.scalar(query(account).where(by))) is None:
        raise NotFound("Couldn't find that app.")
    return app


def create(
    session: Session,
    account: Account,
    *,
    name: str | None,
    now: dt.datetime,
    rng: random.Random,
) -> App:
    """Add an app; name None: one is made up. Raises Invalid (form) or Conflict (taken)."""
    for _ in range(NAME_TRIES_MAX):
        chosen = names.check_app_name(name) if name is not None else names.app_name(rng)
        app = App(account=account, name=chosen, created_at=now, updated_at=now)
        try:
            with session.begin_nested():
                session.add(app)
        except IntegrityError:
            if name is not None:
                raise Conflict(f"Name {name} is already taken.", field="name") from None
        else:
            return app
    raise Conflict("No free name was found: choose one.", field="name")


def destroy(
    session: Session, app: App, *, now: dt.datetime, request_id: str = ""
) -> list[Operation]:
    """End an app: its add-ons are deprovisioned; returns the operations to nudge.

    Attachments of other apps' add-ons and all config vars go at once, and the name is free again.
    """
    session.refresh(app, with_for_update={"key_share": True})
    owned = session.scalars(
        select(Addon).where(Addon.app_id == app.id, Addon.deleted_at.is_(None))
    ).all()
    started = [addons.destroy(session, addon, now=now, request_id=request_id) for addon in owned]
    session.execute(delete(ConfigVar).where(ConfigVar.app_id == app.id))
    session.execute(delete(Attachment).where(Attachment.app_id == app.id))
    app.deleted_at = app.updated_at = now
    return [operation for operation in started if operation is not None]
