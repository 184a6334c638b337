"""Config vars: an app's environment, sealed at rest."""

import datetime as dt
from collections.abc import Iterable, Mapping

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from control_plane.domain import names
from control_plane.domain.errors import Invalid
from control_plane.models import App, Attachment, ConfigVar
from control_plane.models.ids import new_id
from control_plane.pki.seal import Sealer

TOTAL_BYTES_MAX = 64 * 1024  # names and values of one app together, as on Heroku


def all_of(session: Session, app: App, *, sealer: Sealer) -> dict[str, str]:
    """Return name to value, by name. Secrets: never to be logged."""
    found = select(ConfigVar).where(ConfigVar.app_id == app.id).order_by(ConfigVar.name)
    return {
        var.name: sealer.open(var.sealed_value, var.id).decode() for var in session.scalars(found)
    }


def patch(
    session: Session,
    app: App,
    changes: Mapping[str, str | None],
    *,
    sealer: Sealer,
    now: dt.datetime,
) -> dict[str, str]:
    """Set the user's own vars (None: remove) and return them all.

    Raises Invalid: a bad name, a var that belongs to an add-on, or too much in all.
    """
    session.refresh(app, with_for_update={"key_share": True})
    existing = {
        var.name: var
        for var in session.scalars(select(ConfigVar).where(ConfigVar.app_id == app.id))
    }
    for name, value in changes.items():
        var = existing.get(names.check_config_var_name(name))
        if var is not None and var.attachment_id is not None:
            raise Invalid(f"{name} belongs to an add-on: detach it instead.", field=name)
        if value is None:
            if var is not None:
                session.delete(var)
        else:
            if var is None:
                var = ConfigVar(id=new_id(), app_id=app.id, name=name)
                session.add(var)
            var.sealed_value, var.updated_at = sealer.seal(value.encode(), var.id), now
    session.flush()
    values = all_of(session, app, sealer=sealer)
    if sum(len(name) + len(value.encode()) for name, value in values.items()) > TOTAL_BYTES_MAX:
        raise Invalid(f"Config vars of an app hold at most {TOTAL_BYTES_MAX} bytes in all.")
    return values


def check_free(session: Session, app: App, wanted: Iterable[str]) -> None:
    """Raises Invalid if the user has set a var that an attachment is about to bring."""
    taken = select(ConfigVar.name).where(
        ConfigVar.app_id == app.id,
        ConfigVar.name.in_(list(wanted)),
        ConfigVar.attachment_id.is_(None),
    )
    if clash := session.scalars(taken).first():
        raise Invalid(
            f"The app has a config var {clash} already: choose another name.", field="name"
        )


def publish(
    session: Session,
    attachment: Attachment,
    values: Mapping[str, str],
    *,
    sealer: Sealer,
    now: dt.datetime,
) -> None:
    """Set what an attachment brings; a second run with the same values changes nothing.

    values: part (`url`, `trusted_cert`, `client_cert`, `client_cert_key`) to text.
    """
    found = select(ConfigVar).where(ConfigVar.attachment_id == attachment.id)
    existing = {var.name: var for var in session.scalars(found)}
    for part, name in names.config_var_names(attachment.name).items():
        plain, var = values[part].encode(), existing.get(name)
        if var is None:
            var = ConfigVar(
                id=new_id(), app_id=attachment.app_id, name=name, attachment_id=attachment.id
            )
            session.add(var)
        elif sealer.open(var.sealed_value, var.id) == plain:
            continue
        var.sealed_value, var.updated_at = sealer.seal(plain, var.id), now
    session.flush()


def withdraw(session: Session, attachment: Attachment) -> None:
    """Remove what an attachment brought; none there is fine."""
    session.execute(delete(ConfigVar).where(ConfigVar.attachment_id == attachment.id))
