"""Faults that the product had, as they were: what a world or a foreign client showed of it once.

They were repaired one by one; here each can come back, so that what has shown it is known to do so
still (regressions.py). The numbers are those of the seeds, which have moved since.
"""

from data_plane.log.producer_state import (
    ONLY_MARKERS,
    ProducerStates,
    WrittenBatch,
    out_of_order,
)
from data_plane.log.segment import FileExtent, Segment
from data_plane.protocol.records.batch import BatchHeader
from data_plane.replication.fetcher import Fetchers
from data_plane.replication.follower import Follower
from data_plane.replication.partition import Partition
from tests.simulation.plants import Plant, Planted


def barrier_of_the_watermark(plant: Plant) -> None:
    """96: a new leader asks for as much on disk as it knows to be committed itself."""
    right = vars(Partition)["has_passed_barrier"].fget

    def passed(self: Partition) -> bool:
        if not self.is_at_barrier or self.log.synced_offset < self.high_watermark:
            return False
        members = [one for number, one in self.followers.items() if number in self.isr]
        is_passed = all(one.synced_offset >= self.high_watermark for one in members)
        if is_passed and not right(self):
            plant.bites()
        return is_passed

    plant.replace(Partition, "has_passed_barrier", property(passed))


def markers_alone_refuse(plant: Plant) -> None:
    """59: of a producer a replica has nothing but a marker, for what came before is deleted."""
    check = ProducerStates.check

    def strict(
        self: ProducerStates, header: BatchHeader, *, is_first: bool = False
    ) -> WrittenBatch | None:
        known = self._producers.get(header.producer_id)
        if (
            known is not None
            and known.txn_first_offset == ONLY_MARKERS
            and known.producer_epoch == header.producer_epoch
            and header.base_sequence > 0
        ):
            plant.bites()
            raise out_of_order(header, 0)
        return check(self, header, is_first=is_first)

    plant.replace(ProducerStates, "check", strict)


def remembered_place_is_the_end(plant: Plant) -> None:
    """126, 143: behind a gap that a compaction left at a segment's end nothing seems to be."""
    extent = Segment.extent

    def trusting(
        self: Segment, offset: int, *, bytes_max: int, offset_limit: int, at_least_one: bool
    ) -> FileExtent | None:
        start = self._hints.get(offset)
        if start is not None and start >= self.size_bytes:
            plant.bites()
            return FileExtent(self.file(), start, 0)
        return extent(
            self,
            offset,
            bytes_max=bytes_max,
            offset_limit=offset_limit,
            at_least_one=at_least_one,
        )

    plant.replace(Segment, "extent", trusting)


def begun_behind_its_first_batch(plant: Plant) -> None:
    """205: who knows nothing of a producer takes its second batch, and the first went astray."""
    check = ProducerStates.check

    def lenient(
        self: ProducerStates, header: BatchHeader, *, is_first: bool = False
    ) -> WrittenBatch | None:
        is_unknown = header.producer_id not in self._producers
        if is_first and is_unknown and header.base_sequence > 0:
            plant.bites()
        return check(self, header)

    plant.replace(ProducerStates, "check", lenient)


def session_changed_with_a_gap(plant: Plant) -> None:
    """128: a partition goes to a session whose poll is under way, and is asked for by nobody."""
    move = Fetchers._move

    def at_once(self: Fetchers, follower: Follower, session: str) -> None:
        fetcher = self._fetcher(follower.leader_id, session)
        if not fetcher.is_asking:
            move(self, follower, session)
            return
        plant.bites()
        self._change(follower, fetcher)

    plant.replace(Fetchers, "_move", at_once)


BANK = (
    Planted("barrier of the watermark", barrier_of_the_watermark, needs=("mode changed",)),
    Planted(
        "markers alone refuse", markers_alone_refuse, needs=("transactions", "deleted records")
    ),
    Planted(
        "remembered place is the end",
        remembered_place_is_the_end,
        needs=("group", "shards loaded in small slices"),
    ),
    Planted("begun behind its first batch", begun_behind_its_first_batch, needs=("transactions",)),
    Planted(
        "session changed with a gap",
        session_changed_with_a_gap,
        needs=("small fetches of followers",),
    ),
)
