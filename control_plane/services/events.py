"""The outbox: say what happened, in the transaction in which it happens."""

import datetime as dt

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from control_plane.models import Addon, Event


def emit(session: Session, addon: Addon, type_: str, *, now: dt.datetime, **data: object) -> None:
    """Add an event about an add-on. `data` is JSON and never holds a secret."""
    session.add(
        Event(type=type_, app_id=addon.app_id, addon_id=addon.id, data=data, created_at=now)
    )


def query(addon: Addon) -> Select[Event]:
    """Select an add-on's events, newest first."""
    return select(Event).where(Event.addon_id == addon.id).order_by(Event.sequence.desc())
