"""Who asks, how and when: what a handler knows besides the request itself."""

from typing import NamedTuple


class Throttle:
    """One connection's mute: nothing of it is read before `until_ms` (KIP-219)."""

    __slots__ = ("until_ms",)

    def __init__(self) -> None:
        self.until_ms = 0  # Unix milliseconds


class RequestContext(NamedTuple):
    """A tuple, because one is made for each request on the hot path."""

    principal: str  # "User:CN=<credential id>,O=<cluster id>" or "User:ANONYMOUS"
    client_id: str | None
    client_host: str  # numeric address, as ACLs compare it
    api_key: int
    api_version: int
    listener: str  # name of the listener the client came by: Metadata answers for that one
    now_ms: int  # Unix milliseconds, one reading per loop turn
    throttle: Throttle | None = None  # of the connection; None where there is none to mute
    is_internal: bool = False  # Came by a listener for brokers alone.
