"""The service's own version."""

from functools import cache
from importlib import metadata


@cache
def service_version() -> str:
    """The installed distribution's version; run from bare source there is none to tell."""
    try:
        return metadata.version("ottla")
    except metadata.PackageNotFoundError:
        return "0+source"
