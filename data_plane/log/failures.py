"""What can go wrong with a log beyond what a client did: each class says who must act."""

from pathlib import PurePath

from data_plane.protocol.errors import StorageError


class LogFailure(Exception):
    """Storage broke its promise (failed sync, EIO on write). Never retried, never answered.

    After a failed sync the kernel may have dropped the dirty pages and reports success the next
    time, so the only safe act is to stop: the server marks the failure and exits with code 74, and
    the broker comes back as after a power loss (durability.md 2).
    """

    def __init__(self, path: PurePath, doing: str, error: OSError) -> None:
        super().__init__(f"{doing} {path}: {error.strerror or error}")
        self.path = path
        self.error = error


class DiskFull(StorageError):
    """No room; the log is as it was before. Clients may retry, the broker goes on serving reads."""


class DamagedLog(StorageError):
    """Bytes that had been made durable are gone or wrong; the partition is quarantined."""


class LostLog(DamagedLog):
    """The manifest knows this partition, the directory does not hold its log."""


class DirectoryRefused(Exception):
    """This data directory must not be opened: in use, or it belongs to somebody else."""
