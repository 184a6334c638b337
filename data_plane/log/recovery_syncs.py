"""What recovery kept, made durable: many partitions in one go, before anybody builds on them."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from data_plane.log.checkpoint import NAME as CHECKPOINT_NAME
from data_plane.log.checkpoint import Checkpoint, write_checkpoint
from data_plane.log.failures import LogFailure
from data_plane.log.files import Files
from data_plane.log.segment import FULL
from data_plane.log.sync import (
    FDATASYNC_FILES_MAX,
    sync_directory,
    sync_file,
    sync_file_system,
)


class RecoverySyncs:
    """First the files and the names, then the checkpoints that claim them (durability.md 2, 3)."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._written: list[PurePath] = []
        self._directories: list[PurePath] = []
        self._checkpoints: dict[PurePath, Checkpoint] = {}

    def __len__(self) -> int:
        """How many directories wait."""
        return len(self._directories)

    def add(
        self,
        directory: PurePath,
        written: Iterable[PurePath] = (),
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """The names in `directory`, files in it, and what may be claimed once those are durable."""
        self._directories.append(directory)
        self._written += written
        if checkpoint is not None:
            self._checkpoints[directory] = checkpoint

    def run(self) -> None:
        """Block until all of it is durable. Raises LogFailure."""
        self._sync(self._written, self._directories)
        noted = [path for path in map(self._note, self._directories) if path is not None]
        self._sync(noted, ())
        self._written.clear()
        self._directories.clear()
        self._checkpoints.clear()

    def _note(self, directory: PurePath) -> PurePath | None:
        """Write a directory's checkpoint; without room the older one stays: it claims less."""
        checkpoint = self._checkpoints.get(directory)
        if checkpoint is None:
            return None
        try:
            write_checkpoint(self._files, directory, checkpoint)
        except OSError as error:
            if error.errno in FULL:
                return None
            raise LogFailure(directory, "checkpoint", error) from error
        return directory / CHECKPOINT_NAME

    def _sync(self, paths: Sequence[PurePath], directories: Sequence[PurePath]) -> None:
        """One call for many: 10,000 partitions would ask 50,000 times."""
        is_many = len(paths) + len(directories) > FDATASYNC_FILES_MAX
        if is_many and sync_file_system(self._files, self._directories[0]):
            return
        for path in paths:
            if self._files.exists(
                path
            ):  # A log that had to be begun anew has removed its old file.
                sync_file(path, self._files.open(path))
        for directory in directories:
            sync_directory(self._files, directory)
