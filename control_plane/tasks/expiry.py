"""Forgetting what has had its time: nonces, kept answers, old samples."""

from control_plane.database import session_scope
from control_plane.queue import task
from control_plane.services import idempotency, metrics, node_signatures
from control_plane.tasks.runtime import runtime


@task("expiry.run")
def run() -> None:
    """Delete expired rows; a second run at once finds none."""
    shared = runtime()
    now = shared.clock.now()
    with session_scope(shared.sessions) as session:
        node_signatures.expire_nonces(session, now=now)
        idempotency.expire(session, now=now)
        metrics.expire(session, now=now)
