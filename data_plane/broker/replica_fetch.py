"""A follower's fetch: reads to the log's end, and tells its leader how far the follower is."""

from typing import TYPE_CHECKING

from data_plane.broker.awaited_fetches import PARKED_MS_MAX
from data_plane.broker.context import RequestContext
from data_plane.broker.fetch_sessions import FetchEntry, FetchView
from data_plane.broker.parked_fetch import ParkedFetch, damaged, result_of
from data_plane.log.failures import DamagedLog
from data_plane.log.log_slice import EMPTY_SLICE, LogSlice
from data_plane.protocol.errors import ErrorCode, KafkaError, NotLeaderOrFollower
from data_plane.protocol.hot.fetch import FetchCall, FetchResult
from data_plane.replication.follower import SYNCED_SESSION

if TYPE_CHECKING:
    from data_plane.broker.broker import Broker


def follower_name(call: FetchCall) -> str:
    """To whom a follower's session belongs: one for each kind of its sessions."""
    return f"replica {call.replica_id} {call.rack_id}"


class ReplicaFetch(ParkedFetch):
    """A fetch of another broker, on a listener for brokers alone.

    Its offsets are what the follower holds, in a session named SYNCED_SESSION what it has synced.
    """

    __slots__ = ()

    def __init__(
        self, broker: "Broker", ctx: RequestContext, call: FetchCall, view: FetchView
    ) -> None:
        super().__init__(broker, ctx, call, view)
        broker.doubts.fetched(call.replica_id, ctx.now_ms)
        if broker.awaited.waits_for(call.replica_id, ctx.now_ms):
            self.deadline_ms = min(self.deadline_ms or 0, ctx.now_ms + PARKED_MS_MAX)

    def retry(self) -> None:
        """Answered with nothing too, where the follower is to ask for something else."""
        super().retry()
        if not self.is_done and self.broker.awaited.waits_for(
            self.call.replica_id, self.broker.now_ms
        ):
            self.complete(self.answer())

    def room(self) -> int:
        return min(self.call.max_bytes, self.broker.config.limits.fetch_bytes_max)

    def count_out(self, topic: str, size_bytes: int) -> None:
        """Copies are not counted as what clients take."""

    def throttle(self) -> int:
        return 0

    def is_at_end(self, entry: FetchEntry, result: FetchResult) -> bool:
        if entry.partition is None or result.error_code or result.diverging is not None:
            return False
        return entry.wanted.fetch_offset >= entry.partition.log.log_end_offset

    def read_one(
        self, entry: FetchEntry, left: int, *, at_least_one: bool
    ) -> tuple[FetchResult, LogSlice]:
        broker, wanted = self.broker, entry.wanted
        partition = None
        try:
            partition = broker.made_partition(broker.topic_name(entry.topic), wanted.partition)
            self.view.found(entry, partition)
            partition.check_replica_epoch(wanted.current_leader_epoch)
            replica = partition.replica(self.call.replica_id, self._epoch())
            diverging = partition.diverging(wanted)
            if diverging is not None:
                return result_of(entry, ErrorCode.NONE)._replace(diverging=diverging), EMPTY_SLICE
            part = partition.read_for_replica(
                wanted.fetch_offset,
                bytes_max=max(0, min(left, wanted.partition_max_bytes)),
                at_least_one=at_least_one,
            )
            if entry.noted is not wanted:
                entry.noted = wanted
                is_synced = self.call.rack_id == SYNCED_SESSION
                partition.fetched_by(
                    replica, wanted.fetch_offset, is_synced=is_synced, now_ms=self.ctx.now_ms
                )
                broker.followed(partition)
                broker.awaited.came(self.call.replica_id, (partition.topic_id, partition.index))
        except DamagedLog as error:
            self.view.found(entry, partition)
            return damaged(broker, entry, error), EMPTY_SLICE
        except KafkaError as error:
            self.view.found(entry, partition)
            if partition is None:
                return FetchResult(wanted.partition, error.code), EMPTY_SLICE
            return result_of(entry, error.code), EMPTY_SLICE
        return result_of(entry, ErrorCode.NONE), part

    def _epoch(self) -> int:
        """The follower's broker epoch. Raises NotLeaderOrFollower for a zombie (KIP-903)."""
        known = self.broker.image.brokers.get(self.call.replica_id)
        if known is None or self.call.replica_epoch < known.broker_epoch:
            raise NotLeaderOrFollower
        return self.call.replica_epoch
