"""Where the brokers of one cluster on this node have the socket files by which they talk."""

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from data_plane.agent.storage import PRIVATE_DIRECTORY, ClusterStorage, remove_tree

PATH_BYTES_MAX = 107  # sockaddr_un has 108, with a zero behind the path
NAME_BYTES_MAX = len("/internal-999.sock")


def socket_directory(cluster: ClusterStorage) -> Path:
    """In the cluster's directory, else under /tmp where that would make names too long.

    The same each time: voters know each other by these addresses.
    """
    inside = cluster.root / "sockets"
    if len(os.fsencode(inside)) + NAME_BYTES_MAX <= PATH_BYTES_MAX:
        return inside
    digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path("/tmp") / f"ottla-{os.getuid()}-{digest}"  # noqa: S108 - checked when prepared


def prepare(directory: Path) -> None:
    """Create it, for this user alone. Raises PermissionError where somebody else has it."""
    directory.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIRECTORY)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to somebody else")
    directory.chmod(PRIVATE_DIRECTORY)


def remove(cluster: ClusterStorage) -> None:
    """Remove the directory; one that is not ours is left."""
    directory = socket_directory(cluster)
    with contextlib.suppress(FileNotFoundError):
        if directory.lstat().st_uid == os.getuid():
            remove_tree(directory)
