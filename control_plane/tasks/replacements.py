"""Noticing nodes that are lost for good."""

from control_plane.database import session_scope
from control_plane.queue import nudge, task
from control_plane.services import replacements
from control_plane.tasks.runtime import node_lost_after, runtime


@task("replacements.sweep")
def sweep() -> None:
    """Begin to replace what is lost; a second run at once finds the operations of the first."""
    shared, lost_after = runtime(), node_lost_after()
    with session_scope(shared.sessions) as session:
        now = shared.clock.now()
        waiting = replacements.wanted(session, now=now, lost_after=lost_after)
    for cluster_id in waiting:
        with session_scope(shared.sessions) as session:
            now = shared.clock.now()
            begun = replacements.begin(session, cluster_id, now=now, lost_after=lost_after)
        if begun is not None:
            nudge(begun.id)
