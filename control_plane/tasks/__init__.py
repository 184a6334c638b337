"""Celery entry points: an id in, the row re-read, nothing trusted."""
