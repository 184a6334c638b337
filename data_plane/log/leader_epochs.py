"""Which leader epoch wrote which offsets: one (epoch, start offset) per epoch with a record.

Source: KIP-101, KIP-279. The file is Kafka's leader-epoch-checkpoint and one line more: a version
line 1, a count line, one `epoch start_offset` per line, and the CRC-32C of all that in 8 hex
digits. Version 0, Kafka's own and ours before, has no checksum; it is read, and never written.
"""

from bisect import bisect_right
from typing import NamedTuple

import crc32c

UNKNOWN = -1
CHECKSUM_BYTES = len("89abcdef\n")


class EpochEnd(NamedTuple):
    """The end offset (exclusive) of an epoch; both -1 if unknown."""

    leader_epoch: int
    end_offset: int


class LeaderEpochs:
    """Growing epochs with growing start offsets."""

    __slots__ = ("_epochs", "_starts", "latest")

    def __init__(self) -> None:
        self._epochs: list[int] = []
        self._starts: list[int] = []
        self.latest = UNKNOWN  # the epoch of the last record; before the first there is none

    @property
    def entries(self) -> list[tuple[int, int]]:
        return list(zip(self._epochs, self._starts, strict=True))

    def assign(self, leader_epoch: int, start_offset: int) -> None:
        """Note the first record of an epoch; a second one of the same epoch changes nothing."""
        if leader_epoch > self.latest:
            self._epochs.append(leader_epoch)
            self._starts.append(start_offset)
            self.latest = leader_epoch

    def epoch_at(self, offset: int) -> int:
        """Return the epoch that wrote an offset, -1 if it lies before the first known one."""
        i = bisect_right(self._starts, offset) - 1
        return self._epochs[i] if i >= 0 else UNKNOWN

    def end_of(self, leader_epoch: int, log_end_offset: int) -> EpochEnd:
        """Return the largest epoch up to `leader_epoch` and where it ended (OffsetForLeaderEpoch).

        An epoch newer than all is unknown: this replica cannot say what it will hold. So is one
        below 0, which nobody ever led.
        """
        if leader_epoch < 0 or leader_epoch > self.latest:
            return EpochEnd(UNKNOWN, UNKNOWN)
        if leader_epoch == self.latest:
            return EpochEnd(leader_epoch, log_end_offset)
        i = bisect_right(self._epochs, leader_epoch)
        return EpochEnd(self._epochs[i - 1] if i else leader_epoch, self._starts[i])

    def truncate_end(self, offset: int) -> None:
        """Forget the epochs that start at or after `offset`."""
        while self._starts and self._starts[-1] >= offset:
            self._starts.pop()
            self._epochs.pop()
        self.latest = self._epochs[-1] if self._epochs else UNKNOWN

    def truncate_start(self, offset: int) -> None:
        """Forget what lies before `offset`; the epoch that covers it now starts there."""
        covering = bisect_right(self._starts, offset) - 1
        if covering >= 0:
            del self._starts[:covering], self._epochs[:covering]
            self._starts[0] = max(self._starts[0], offset)

    def encode(self) -> bytes:
        lines = ["1", str(len(self._epochs)), *(f"{e} {s}" for e, s in self.entries)]
        content = ("\n".join(lines) + "\n").encode()
        return content + _checksum_line(content)


def decode_leader_epochs(content: bytes) -> LeaderEpochs:
    """Read a leader-epoch-checkpoint. Raises ValueError for anything but a whole file."""
    if content[:1] == b"1":
        body = content[:-CHECKSUM_BYTES]
        if content != body + _checksum_line(body):
            raise ValueError("its checksum is another")
        content = b"0" + body[1:]
    version, count, *lines = content.decode("ascii").split("\n")
    if version != "0" or len(lines) != int(count) + 1 or lines[-1]:
        raise ValueError("the file is cut or of another version")
    epochs = LeaderEpochs()
    for line in lines[:-1]:
        epoch, start = map(int, line.split())
        if epoch <= epochs.latest or (epochs.entries and start < epochs.entries[-1][1]):
            raise ValueError("epochs do not grow")
        epochs.assign(epoch, start)
    return epochs


def _checksum_line(content: bytes) -> bytes:
    return b"%08x\n" % crc32c.crc32c(content)
