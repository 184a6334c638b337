"""What a voter's disk can do to it: be full, which passes, or fail, which ends the process."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath

from data_plane.log.failures import DamagedLog, LogFailure


class DiskFull(Exception):
    """There is no room; what was there before is as it was."""


@contextmanager
def storage_failures(directory: PurePath, operation: str) -> Iterator[None]:
    """Turn OSError into DiskFull or LogFailure (durability.md 2)."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(str(directory)) from error
        raise LogFailure(directory, operation, error) from error


def damaged(path: PurePath, what: str) -> DamagedLog:
    """Why a voter does not start, and what its operator can do."""
    return DamagedLog(
        f"{path}: {what}; restore {path.parent.name}/ from a backup, or, where other voters are, "
        "start this broker with another data directory"
    )
