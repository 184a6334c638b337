"""Many empty partitions made together, off the loop: see LogDir.begin_create.

Even what is not synced waits while a disk writes its journal for somebody else.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

from data_plane.log.failures import DiskFull, LogFailure
from data_plane.log.files import File, Files
from data_plane.log.manifest import PartitionKey
from data_plane.log.recovery import create_log
from data_plane.log.segment import FULL
from data_plane.log.sync import FDATASYNC_FILES_MAX


class Creation:
    """partitions: their topics by key. cancelled: those that are to be deleted at its end."""

    def __init__(
        self,
        files: Files,
        root: PurePath,
        partitions: Mapping[PartitionKey, str],
        directories: Sequence[PurePath],
        manifest: File,
    ) -> None:
        """Use `LogDir.begin_create`."""
        self.partitions = partitions
        self.cancelled: set[PartitionKey] = set()
        self._files, self._root = files, root
        self._directories, self._manifest = directories, manifest

    def make(self) -> None:
        """Make the directories, durably; anywhere. Raises DiskFull or LogFailure."""
        with_failures(self._root, self._make)

    def sync_manifest(self) -> None:
        """Make durable that they were made, once the manifest names them; as `make`."""
        with_failures(self._root, self._manifest.sync)

    def _make(self) -> None:
        for directory in self._directories:
            create_log(self._files, directory)
        is_many = len(self._directories) > FDATASYNC_FILES_MAX
        if not (is_many and self._files.sync_file_system(self._root)):
            for directory in (*self._directories, self._root):
                self._files.sync_directory(directory)


def with_failures(root: PurePath, act: Callable[[], None]) -> None:
    """Raises DiskFull or LogFailure for OSError."""
    try:
        act()
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull("no room to create a partition") from error
        raise LogFailure(root, "create", error) from error
