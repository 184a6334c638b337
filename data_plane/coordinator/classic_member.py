"""One member of a classic group: what the log keeps of it, and what only this broker knows; and the
states that its group goes through.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

ProtocolChoice = tuple[str, bytes]  # name of an assignor, the member's metadata for it


class GroupState(StrEnum):
    """Kafka's names: DescribeGroups and ListGroups show them."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


@dataclass(slots=True)
class Member:
    """Identity, timeouts, protocols and assignment are journaled; the rest dies with the broker.

    Protocol metadata and assignment are opaque bytes of the client's own protocol.
    """

    member_id: str
    instance_id: str | None  # set: a static member, KIP-345
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: Sequence[ProtocolChoice]  # in the member's order of preference
    assignment: bytes = b""
    # Soft state from here on.
    is_new: bool = field(default=False, kw_only=True)  # no JoinGroup answered yet
    join_token: object | None = field(default=None, kw_only=True)  # parked JoinGroup
    sync_token: object | None = field(default=None, kw_only=True)  # parked SyncGroup
    owes_sync: bool = field(default=False, kw_only=True)  # joined this generation, not synced yet
    session_due_ms: int = field(default=0, kw_only=True)

    @property
    def is_static(self) -> bool:
        return self.instance_id is not None

    @property
    def due_ms(self) -> int | None:
        """When this member is to be dropped; None while it waits for us, not we for it.

        A new member is the exception: its client may have given up before it knew its member id,
        and then nobody would ever take it out again.
        """
        is_waiting = self.join_token is not None or self.sync_token is not None
        return None if is_waiting and not self.is_new else self.session_due_ms

    def touch(self, now_ms: int) -> None:
        """The member was heard of: its session starts anew."""
        self.session_due_ms = now_ms + self.session_timeout_ms

    def metadata_for(self, protocol: str | None) -> bytes:
        """The member's metadata for a protocol; empty if it does not speak it."""
        return next((metadata for name, metadata in self.protocols if name == protocol), b"")

    @property
    def metadata_bytes(self) -> int:
        return sum(len(name) + len(metadata) for name, metadata in self.protocols)

    def vote(self, candidates: Collection[str]) -> str:
        """The member's first choice among protocols that everyone speaks."""
        return next(name for name, _ in self.protocols if name in candidates)
