"""Giving turns in rolls over several nodes."""

from control_plane.database import session_scope
from control_plane.queue import task
from control_plane.services import turns
from control_plane.tasks.runtime import runtime


@task("turns.sweep")
def sweep() -> None:
    """Give the next turn in each cluster that waits for one; a second run at once gives none."""
    shared = runtime()
    with session_scope(shared.sessions) as session:
        waiting = turns.wanted(session)
    for cluster_id in waiting:
        with session_scope(shared.sessions) as session:
            turns.grant(session, cluster_id, now=shared.clock.now())
