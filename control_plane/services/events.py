"""The outbox: say what happened, in the transaction in which it happens."""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from control_plane.models import Addon, Event


def emit(session: Session, addon: Addon, type_: str, *, now: dt.datetime, **data: object) -> None:
    """Add an event about an add-on. `data` is JSON and never holds a secret."""
    session.add(
        Event(type=type_, app_id=addon.app_id, addon_id=addon.id, data=data, created_at=now)
    )


def of_operation(session: Session, addon: Addon, operation_id: str) -> list[str]:
    """Types of the events that were added for an operation, by its id in their data."""
    found = select(Event.type).where(
        Event.addon_id == addon.id, Event.data["operation"].as_string() == operation_id
    )
    return list(session.scalars(found))
