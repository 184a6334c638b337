"""Faults that the product had, as they were: what a world or a foreign client showed of it once.

They were repaired one by one; here each can come back, so that what has shown it is known to do so
still (regressions.py). The numbers are those of the seeds, which have moved since.
"""

from data_plane.log.segment import FileExtent, Segment
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


BANK = (
    Planted("barrier of the watermark", barrier_of_the_watermark, aim="mode changed, leader lost"),
    Planted(
        "remembered place is the end",
        remembered_place_is_the_end,
        aim="coordinator reads what is compacted",
    ),
)
