"""Running operations: on a wake-up call, or when a sweep finds them due."""

import uuid

from control_plane.database import session_scope
from control_plane.queue import RUN_OPERATION, nudge, task
from control_plane.sagas import engine
from control_plane.services import operations
from control_plane.tasks.runtime import runtime


@task(RUN_OPERATION)
def run(operation_id: str) -> None:
    """Advance one operation as far as it goes. Delivered twice, late or never: a sweep re-sends."""
    engine.run(runtime(), uuid.UUID(operation_id))


@task("operations.sweep")
def sweep() -> None:
    """Re-send what is due and held by nobody: lost messages, run-out leases, retries, polls."""
    shared = runtime()
    with session_scope(shared.sessions) as session:
        due = operations.take_due(session, now=shared.clock.now())
    for operation_id in due:
        nudge(operation_id)
