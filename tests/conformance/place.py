"""Where what is under test is found: one broker (broker.py) or a cluster (cluster.py)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tests.conformance.security import Security


class Death(NamedTuple):
    """A broker's death, and when it served again; Unix nanoseconds."""

    broker_id: int
    role: str  # why it was chosen
    t0: int
    t1: int


class Place(Protocol):
    """What the runs need to know of it."""

    address: str  # of the listener where everybody may do everything

    @property
    def replicas(self) -> int:
        """Of each topic."""

    @property
    def kills(self) -> int:
        """Of brokers, so far."""

    @property
    def deaths(self) -> Sequence[Death]:
        """The kills that are over."""

    def secured(self, kind: str) -> tuple[str, Security]: ...
