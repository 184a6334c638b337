"""The version of the software that this agent is, and starts brokers of."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def own_version() -> str:
    """The installed distribution's; "0" where it runs from a checkout that was never installed."""
    try:
        return version("ottla")
    except PackageNotFoundError:
        return "0"
