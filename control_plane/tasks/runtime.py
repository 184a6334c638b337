"""What tasks of one worker process share: sessions, clock, sealer."""

import datetime as dt
from functools import lru_cache

from control_plane.database import session_factory
from control_plane.domain.clock import SystemClock
from control_plane.sagas import SAGAS
from control_plane.sagas.engine import Runtime
from control_plane.services.sealing import sealer_from
from control_plane.settings import get_settings


def node_lost_after() -> dt.timedelta:
    """How long a node must be silent before others take its brokers over."""
    return dt.timedelta(seconds=get_settings().node_lost_s)


@lru_cache(maxsize=1)
def runtime() -> Runtime:
    return Runtime(
        sagas=SAGAS,
        sessions=session_factory(),
        clock=SystemClock(),
        sealer=sealer_from(get_settings()),
        wait_max=dt.timedelta(seconds=get_settings().operation_wait_s_max),
    )
