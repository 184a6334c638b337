"""The outbox: say what happened, in the transaction in which it happens."""

import datetime as dt

from sqlalchemy.orm import Session

from control_plane.models import Addon, Event


def emit(session: Session, addon: Addon, type_: str, *, now: dt.datetime, **data: object) -> None:
    """Add an event about an add-on. `data` is JSON and never holds a secret."""
    session.add(
        Event(type=type_, app_id=addon.app_id, addon_id=addon.id, data=data, created_at=now)
    )
