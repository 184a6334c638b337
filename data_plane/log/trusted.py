"""What of a log need not be compared with its checksums before it is read.

A disk, or whoever has access to it, may change bytes long after they were written. So a batch is
checked when it is read, and only what this process has written or checked within the last second or
two is taken as it is: who reads along pays nothing for it, who reads a backlog one checksum.
Source: reliability.md D6.
"""


class Era:
    """Counts seconds as the broker tells them; every log of a directory holds the same one."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


Extent = tuple[int, int, int]  # an offset that was asked for; position and size of what holds it


class Trusted:
    """Of one log. `since`: from this offset on it was written in this era or the one before."""

    __slots__ = ("_era_start", "_extents", "era", "seen", "since")

    def __init__(self, end_offset: int) -> None:
        """end_offset: where the log that was found ends; nothing of it is trusted."""
        self.era = Era()
        self.seen = 0  # the era as of the last look; `renew` is due when it is another
        self._era_start = self.since = end_offset
        self._extents: set[Extent] = set()

    def renew(self, end_offset: int) -> None:
        """Another era has begun; the log ends at `end_offset`."""
        self.since = self._era_start if self.era.number - self.seen == 1 else end_offset
        self.seen, self._era_start = self.era.number, end_offset
        self._extents.clear()

    def has(self, extent: Extent) -> bool:
        """It was checked in this era."""
        return extent in self._extents

    def add(self, extent: Extent) -> None:
        self._extents.add(extent)

    def end_at(self, end_offset: int) -> None:
        """The log was cut: what is written behind `end_offset` is this process's own."""
        self.since = min(self.since, end_offset)
        self._era_start = min(self._era_start, end_offset)
        self._extents.clear()

    def distrust_below(self, end_offset: int) -> None:
        """Others have written what lies below `end_offset`."""
        self.since = max(self.since, end_offset)
        self._era_start = max(self._era_start, end_offset)
        self._extents.clear()
