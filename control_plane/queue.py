"""The Celery application and wake-up calls by name; imports no task.

Celery carries no truth: a message says "look at this operation", nothing more. What is lost here
the sweep sends again, so a broker that is down never fails a request.
"""

import functools
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from celery import Celery
from celery.signals import after_setup_logger, beat_init, worker_ready
from sqlalchemy.exc import OperationalError

from control_plane.settings import get_settings

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

RUN_OPERATION = "operations.run"
# After a failed send, requests do not wait for a dead Redis again for this long.
_PAUSE_AFTER_FAILURE_S = 5.0
_paused_until = 0.0


def _configuration() -> dict[str, Any]:
    """Settings of dependencies.md 3.3; read at first use: importing needs no environment."""
    return {
        "broker_url": get_settings().celery_url,
        "broker_connection_retry_on_startup": True,
        # A worker outlives any outage of Redis; it has nothing else to do.
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            # Longer than any job: Redis would deliver a running one a second time.
            "visibility_timeout": 600,
            "socket_connect_timeout": 1,
            "socket_timeout": 5,
            "socket_keepalive": True,
            "max_retries": 0,
        },
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "task_ignore_result": True,
        "result_expires": 600,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_default_queue": "ottla",
        "worker_hijack_root_logger": False,
        "enable_utc": True,
        "timezone": "UTC",
    }


celery = Celery("ottla")
celery.add_defaults(_configuration)


def task(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a function as the task `name`; called directly it runs in the caller."""

    def register(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except OperationalError as outage:
                log.warning("task %s: no database: %s", name, type(outage.orig).__name__)
                raise

        # `throws`: foreseen, so that Celery writes no traceback for each second of an outage.
        registered: Callable[P, R] = celery.task(
            name=name, acks_late=True, ignore_result=True, throws=(OperationalError,)
        )(run)
        return registered

    return register


def nudge(operation_id: uuid.UUID) -> bool:
    """Ask a worker to look at an operation; call it after the commit. Never raises.

    Returns whether the message was sent; if not, the sweep finds the operation by its due time.
    """
    global _paused_until
    if time.monotonic() < _paused_until:
        return False
    try:
        # Bounded: a dead Redis costs a request one connection attempt, and only every so often.
        celery.send_task(RUN_OPERATION, args=[str(operation_id)], retry=False, expires=300)
    except Exception as problem:
        _paused_until = time.monotonic() + _PAUSE_AFTER_FAILURE_S
        log.warning("operation %s was not sent, the sweep will: %s", operation_id, type(problem))
        return False
    return True


def _touch_ready_file(**_: Any) -> None:
    """Tell the supervisor that this process serves (READY_FILE)."""
    if path := get_settings().ready_file:
        path.touch()


def _quiet_ticks(**_: Any) -> None:
    """Two lines per task and a sweep every second would bury what the sagas say themselves."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


after_setup_logger.connect(_quiet_ticks)
worker_ready.connect(_touch_ready_file)
beat_init.connect(_touch_ready_file)
