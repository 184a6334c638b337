"""What a follower takes from its leader: batches as they are, offsets and epochs included."""

from collections.abc import Iterator

from data_plane.protocol.errors import CorruptBatch
from data_plane.protocol.records.batch import BatchHeader, check_crc, iter_batches


def replicated_batches(
    view: memoryview, *, end_offset: int, latest_epoch: int, leader_epoch: int
) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) of each batch, judged as a follower must before it keeps them.

    Offsets go on from `end_offset`, with gaps where compaction has been; epochs go on from
    `latest_epoch` up to the leader's own. Both lie outside the checksum, so a batch that lies about
    them is found only here. Raises CorruptBatch.
    """
    for at, header in iter_batches(view):
        check_crc(view, at, header)
        epoch = header.partition_leader_epoch
        if header.base_offset < end_offset or header.last_offset_delta < 0:
            raise CorruptBatch(
                f"a batch at offset {header.base_offset} follows the end {end_offset}"
            )
        if not latest_epoch <= epoch <= leader_epoch:
            raise CorruptBatch(
                f"a batch of epoch {epoch} follows {latest_epoch} under leader epoch {leader_epoch}"
            )
        end_offset, latest_epoch = header.next_offset, epoch
        yield at, header
