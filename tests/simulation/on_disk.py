"""What is on a machine's disk, held against what its broker goes by."""

from typing import TYPE_CHECKING

from data_plane.log.manifest import NAME as MANIFEST_NAME
from data_plane.log.manifest import PartitionKey
from data_plane.log.memory_files import MemoryFiles
from data_plane.log.segment import Segment
from data_plane.log.side_files import snapshot_offsets
from data_plane.log.swap import SWAP
from data_plane.protocol.records.batch import iter_batches
from tests.simulation.invariants import Violation
from tests.simulation.machine import Machine

if TYPE_CHECKING:
    from tests.simulation.cluster_invariants import Kept


def check_durable(machine: Machine, kept: "Kept") -> None:
    """What a log calls synced a power loss must leave: the disk itself is looked at.

    From the segment on in which it was synced before.
    """
    log, files = kept.log, machine.disk.files
    before, kept.synced_offset = kept.synced_offset, log.synced_offset
    who = f"broker {machine.number}: {kept.place} counts as synced to {log.synced_offset}"
    if log.synced_offset > log.log_end_offset:
        raise Violation(f"{who} and ends at {log.log_end_offset}")
    # Of a compacted log the older segments may be in the middle of a swap, which has its own tests.
    for segment in log.segments[-1:] if log.config.is_compacted else reversed(log.segments):
        needed = bytes_below(files, segment, log.synced_offset)
        durable = files.durable_bytes(segment.log_path)
        if durable < needed:
            raise Violation(
                f"{who}, of {segment.log_path.name} only {durable} bytes of {needed} are durable"
            )
        if segment.base_offset <= before:
            return


def check_beside(machine: Machine, kept: "Kept") -> None:
    """What is beside a log that was opened or cut tells of records that it has, and of no others.

    Durability.md 3: of leader epochs, and of what producers had done. Either would be believed
    once other records are in the place of those that went.
    """
    log, end = kept.log, kept.log.log_end_offset
    who = f"broker {machine.number}: {kept.place} ends at {end}"
    if log.log_start_offset < end and log.leader_epoch != log.epoch_at(end - 1):
        raise Violation(f"{who} in epoch {log.epoch_at(end - 1)}, and tells of {log.leader_epoch}")
    snapshots = snapshot_offsets(machine.disk.files, log.directory)
    if snapshots and snapshots[-1] > end:
        raise Violation(f"{who}, and has a snapshot of its producers at {snapshots[-1]}")


def bytes_below(files: MemoryFiles, segment: Segment, offset: int) -> int:
    """How many bytes of a segment hold records below an offset."""
    if segment.next_offset <= offset:
        return segment.size_bytes
    if segment.base_offset >= offset:
        return 0
    content = bytes(files.open(segment.log_path).content)
    for at, header in iter_batches(content):
        if header.next_offset > offset:
            return at
    return segment.size_bytes


def check_named(machine: Machine, kept: "Kept") -> None:
    """A log that is in use is named by what a power loss leaves of the manifest (durability.md 3).

    Else nothing tells, if it is missing then, that it was ever there: it would be made anew, empty,
    as a member of I.
    """
    files, directory = machine.disk.files, kept.log.directory
    path = directory.parent / MANIFEST_NAME
    content = bytes(files.open(path).content[: files.durable_bytes(path)])
    key = PartitionKey(kept.row.topic_id, kept.row.partition_index)
    named = f" {key.topic_id} {key.partition_index} ".encode()
    lines = [line for line in content.splitlines(keepends=True) if named in line]
    if not (lines and lines[-1].endswith(b"\n") and lines[-1].split(b" ")[1] == b"+"):
        raise Violation(
            f"broker {machine.number}: {kept.place} is in use, and may be taken for new"
        )


def check_swaps(machine: Machine, kept: "Kept") -> None:
    """A compaction that is over leaves no swap: a start would finish it, and put back what later
    ones have replaced.
    """
    files, directory = machine.disk.files, kept.log.directory
    names = files.list_names(directory) if files.exists(directory) else []
    left = [name for name in names if name.endswith(SWAP)]
    if left:
        raise Violation(f"broker {machine.number}: {kept.place} has no compaction, and has {left}")
