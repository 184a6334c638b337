"""By when members of one group must be heard of: by member and by reason, Unix milliseconds."""

from enum import Enum, auto


class Awaited(Enum):
    """What a member owes."""

    SIGN_OF_LIFE = auto()
    REVOCATION = auto()  # of what it was asked to give up
    JOIN = auto()  # a classic member: its next JoinGroup, after it was told to rejoin
    SYNC = auto()  # a classic member: the SyncGroup after its JoinGroup


class MemberDeadlines:
    """At most one deadline for a member and a reason."""

    def __init__(self) -> None:
        self._due: dict[Awaited, dict[str, int]] = {awaited: {} for awaited in Awaited}

    def set(self, awaited: Awaited, member_id: str, due_ms: int) -> None:
        self._due[awaited][member_id] = due_ms

    def set_once(self, awaited: Awaited, member_id: str, due_ms: int) -> None:
        """Leave a deadline as it is that runs already."""
        self._due[awaited].setdefault(member_id, due_ms)

    def has(self, awaited: Awaited, member_id: str) -> bool:
        return member_id in self._due[awaited]

    def drop(self, awaited: Awaited, member_id: str) -> None:
        self._due[awaited].pop(member_id, None)

    def forget(self, member_id: str) -> None:
        for due in self._due.values():
            due.pop(member_id, None)

    @property
    def next_due_ms(self) -> int | None:
        """Costs O(members)."""
        return min((due_ms for due in self._due.values() for due_ms in due.values()), default=None)

    def due_by(self, now_ms: int) -> list[str]:
        """Members who missed a deadline, each once, in a stable order."""
        due = (
            member_id for one in self._due.values() for member_id in one if one[member_id] <= now_ms
        )
        return list(dict.fromkeys(due))
