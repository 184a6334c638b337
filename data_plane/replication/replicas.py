"""What a leader knows of its followers, from nothing but their fetches."""

from collections.abc import Iterable, Mapping, Sequence

from data_plane.metadata.records import RegisterBrokerRecord

NOT_FETCHED = -1  # Nothing is known yet in this leader epoch.


class Replica:
    """One follower in one leader epoch; times are Unix ms.

    end_offset: what it holds. synced_offset: what it has on disk; only the fetches of a `synced`
    session say so, since those leave after the follower's own group commit (durability.md 1).
    """

    __slots__ = (
        "_fetched_end",
        "_fetched_ms",
        "broker_epoch",
        "broker_id",
        "caught_up_ms",
        "end_offset",
        "synced_offset",
    )

    def __init__(self, broker_id: int, now_ms: int) -> None:
        self.broker_id = broker_id
        self.broker_epoch = -1
        self.forget(now_ms)

    def forget(self, now_ms: int) -> None:
        """A leader epoch begins: it has replica.lag.time.max.ms from now on to show itself."""
        self.end_offset = self.synced_offset = NOT_FETCHED
        self._fetched_end = NOT_FETCHED
        self._fetched_ms = self.caught_up_ms = now_ms

    def fetched(self, offset: int, *, leader_end: int, is_synced: bool, now_ms: int) -> None:
        """A fetch from `offset` on has come: everything before it is there.

        It may say less than the one before: the follower has truncated, or lost what was not
        synced. Source: Kafka's Replica.updateFetchStateOrThrow.
        """
        if offset >= leader_end:
            self.caught_up_ms = now_ms
        elif offset >= self._fetched_end > NOT_FETCHED:
            self.caught_up_ms = max(self.caught_up_ms, self._fetched_ms)
        self._fetched_end, self._fetched_ms = leader_end, now_ms
        self.end_offset = offset
        self.synced_offset = offset if is_synced else min(self.synced_offset, offset)

    def is_in_time(self, leader_end: int, now_ms: int, lag_ms_max: int) -> bool:
        """True unless it has been behind for too long (replica.lag.time.max.ms)."""
        return self.end_offset >= leader_end or now_ms - self.caught_up_ms <= lag_ms_max


def node_count(ids: Iterable[int], brokers: Mapping[int, RegisterBrokerRecord]) -> int:
    """On how many machines these brokers are; one that nobody knows counts for none."""
    return len({brokers[one].node_id for one in ids if one in brokers})


def members(isr: Sequence[int], pending: Sequence[int] | None) -> frozenset[int]:
    """M of durability.md 1: the committed ISR and everyone in a pending change of it."""
    return frozenset(isr) | frozenset(pending or ())
