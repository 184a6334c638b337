"""Celery entry points, one screen each; importing this package registers them all."""

from control_plane.queue import celery
from control_plane.tasks import expiry, operations, replacements, turns
from control_plane.tasks.schedule import SCHEDULE

celery.add_defaults({"beat_schedule": SCHEDULE})

__all__ = ["celery", "expiry", "operations", "replacements", "turns"]
