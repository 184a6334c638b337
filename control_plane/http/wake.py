"""Wake the worker once the operation it should find is committed."""

import uuid
from collections.abc import Iterable
from functools import partial

from control_plane import queue
from control_plane.http.units import Unit
from control_plane.models import Operation


def wake_after_commit(unit: Unit, *operations: Operation | None) -> None:
    """Send each operation's id after the commit; a lost message is made good by the sweep."""
    wake_ids_after_commit(unit, [each.id for each in operations if each is not None])


def wake_ids_after_commit(unit: Unit, operation_ids: Iterable[uuid.UUID]) -> None:
    unit.after_commit.extend(partial(queue.nudge, each) for each in operation_ids)
