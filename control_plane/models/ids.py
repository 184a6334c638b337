"""New ids for rows: UUIDv7, made before the insert, so that a secret can be bound to its row."""

import secrets
import time
import uuid

from control_plane.domain.ids import uuid7


def new_id() -> uuid.UUID:
    """Return a fresh id; ids of one process grow. An id is no promise about the injected clock."""
    return uuid7(time.time_ns(), secrets.randbits(62))
