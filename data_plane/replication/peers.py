"""The port to other brokers: a request leaves, its answer or its loss comes later.

Sockets implement it at the edge (data_plane/peers), the simulator on its own network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PeerLost:
    """No answer will come: the request may have been carried out, or not."""

    reason: str = ""


OnReply = Callable[[object], None]


class Peers(Protocol):
    def request(
        self, broker_id: int, request: object, on_reply: OnReply, *, timeout_ms: int
    ) -> None:
        """Send a request of the protocol to another broker's internal listener.

        request: a message of `protocol.messages`; the port chooses its version.
        on_reply: gets the response message, or PeerLost; later, once, never inside this call.
        Requests to one broker keep their order. A lost connection answers everything in flight
        with PeerLost, and so does an answer that takes longer than `timeout_ms`.
        """

    def forget(self, broker_id: int) -> None:
        """That broker's process is another one now: no answer of the one before is waited for.

        What is under way there gets PeerLost, later, never inside this call. A machine that lost
        its power closed no connection, so nothing else would tell before `timeout_ms`.
        """


class NoPeers:
    """A broker alone: whatever it asks of others is lost."""

    def __init__(self, later: Callable[[Callable[[], None]], None]) -> None:
        """later: runs a function after the call under way is over."""
        self._later = later

    def request(
        self, broker_id: int, request: object, on_reply: OnReply, *, timeout_ms: int
    ) -> None:
        del request, timeout_ms  # There is nobody to ask.
        self._later(lambda: on_reply(PeerLost(f"broker {broker_id} is not known here")))

    def forget(self, broker_id: int) -> None:
        """Nothing is ever under way."""
