"""What lies beside the segments of one partition: producer snapshots, epochs, leftovers."""

from pathlib import PurePath

from data_plane.log.failures import DamagedLog
from data_plane.log.files import Files, read_whole, replace_unsynced
from data_plane.log.leader_epochs import LeaderEpochs, decode_leader_epochs
from data_plane.log.producer_state import ProducerStates, decode_producer_states
from data_plane.log.segment import DELETED, LOG, SNAPSHOT, segment_path

EPOCHS_NAME = "leader-epoch-checkpoint"
DRAFT = ".tmp"
CLEANED = ".cleaned"  # a cleaner's drafts, swap.py


def base_offsets(files: Files, directory: PurePath) -> list[int]:
    """Return the base offsets of the segments in a directory, in order."""
    return sorted(_numbers(files, directory, LOG))


def snapshot_offsets(files: Files, directory: PurePath) -> list[int]:
    """Return the offsets of the producer snapshots in a directory, in order."""
    return sorted(_numbers(files, directory, SNAPSHOT))


def _numbers(files: Files, directory: PurePath, suffix: str) -> list[int]:
    names = [n.removesuffix(suffix) for n in files.list_names(directory) if n.endswith(suffix)]
    return [int(name) for name in names if len(name) == 20 and name.isdecimal()]


def remove_leftovers(files: Files, directory: PurePath) -> None:
    """Remove drafts and deleted files that a stop left behind."""
    for name in files.list_names(directory):
        if name.endswith((DELETED, DRAFT, CLEANED)):
            files.remove(directory / name)


def write_snapshot(
    files: Files, directory: PurePath, offset: int, producers: ProducerStates
) -> PurePath:
    """Write what the producers had done up to `offset`, un-synced. Raises OSError."""
    path = segment_path(directory, offset, SNAPSHOT)
    replace_unsynced(files, path, producers.encode())
    return path


def newest_snapshot(
    files: Files, directory: PurePath, offset_max: int
) -> tuple[int, ProducerStates] | None:
    """Return the last whole snapshot at or below an offset. Raises DamagedLog if one cannot be
    read: what is older may know nothing of a producer.
    """
    for offset in reversed(snapshot_offsets(files, directory)):
        if offset <= offset_max:
            try:
                content = read_whole(files, segment_path(directory, offset, SNAPSHOT))
                return offset, decode_producer_states(content or b"")
            except OSError as error:
                raise DamagedLog(f"read: {error.strerror}") from error
            except ValueError:
                continue  # An older one makes the replay longer, nothing else.
    return None


def remove_snapshots(
    files: Files, directory: PurePath, *, above: int = -1, below: int = -1
) -> None:
    """Remove the snapshots above one offset, or below another."""
    for offset in snapshot_offsets(files, directory):
        if (above >= 0 and offset > above) or offset < below:
            files.remove(segment_path(directory, offset, SNAPSHOT))


def write_epochs(files: Files, directory: PurePath, epochs: LeaderEpochs) -> PurePath:
    """Write the leader epochs, un-synced. Raises OSError."""
    path = directory / EPOCHS_NAME
    replace_unsynced(files, path, epochs.encode())
    return path


def read_epochs(files: Files, directory: PurePath) -> LeaderEpochs | None:
    """Return the leader epochs, or None if no whole file tells them."""
    try:
        return decode_leader_epochs(read_whole(files, directory / EPOCHS_NAME) or b"")
    except ValueError:
        return None
