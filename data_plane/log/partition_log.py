"""The log of one partition on one replica: stage, write, sync, read, truncate, forget.

Everything but SyncTicket.run happens on the loop's thread. Each subject has a file of its own, one
class on top of the other: segmented_log, readable_log, staging_log, appendable_log and
shrinkable_log.

Source: Kafka's UnifiedLog for behaviour; durability.md 1-3 for what is promised when.
"""

from pathlib import PurePath

from data_plane.log.checkpoint import Checkpoint, write_checkpoint
from data_plane.log.failures import LogFailure
from data_plane.log.files import Files
from data_plane.log.log_config import LogConfig
from data_plane.log.recovery import create_log, load_log
from data_plane.log.recovery_syncs import RecoverySyncs
from data_plane.log.resume import write_resume_point
from data_plane.log.shrinkable_log import ShrinkableLog
from data_plane.log.side_files import remove_snapshots


class PartitionLog(ShrinkableLog):
    """One partition's log, from `create` or `open` to `close`."""

    @classmethod
    def create(
        cls, files: Files, directory: PurePath, config: LogConfig, *, now_ms: int
    ) -> "PartitionLog":
        """Make an empty log; the caller makes the directory's own name durable."""
        create_log(files, directory)
        files.sync_directory(directory)
        return cls.open(files, directory, config, was_clean=False, now_ms=now_ms)

    @classmethod
    def open(
        cls,
        files: Files,
        directory: PurePath,
        config: LogConfig,
        *,
        was_clean: bool,
        now_ms: int,
        syncs: RecoverySyncs | None = None,
        is_distrusted: bool = False,
    ) -> "PartitionLog":
        """Open an existing log, recovering it unless it was closed cleanly.

        syncs: what has to be run before the log is used; None: that is done here.
        is_distrusted: see load_log.
        Raises LostLog or DamagedLog (quarantine the partition) and LogFailure (stop the broker).
        """
        loaded = load_log(
            files,
            directory,
            config,
            was_clean=was_clean,
            now_ms=now_ms,
            syncs=syncs,
            is_distrusted=is_distrusted,
        )
        return cls(files, directory, config, loaded)

    def close(self, *, is_clean: bool) -> None:
        """Give the log up; after a clean close the next open reads no batch. Raises LogFailure."""
        assert not self._staged, "a close belongs between turns"
        if not is_clean:
            return
        self.compaction.drop()
        end = self.log_end_offset
        checkpoint = Checkpoint(end, self.log_start_offset, end, self.size_bytes)
        try:
            for path in self._write_side_files():
                self._sync.mark_file(path)
            if self._active.size_bytes >= self.config.checkpoint_bytes:
                for path in write_resume_point(self._files, self.directory, self._resume_point()):
                    self._sync.mark_file(path)
            remove_snapshots(self._files, self.directory, above=end)
            self.sync_ticket().run()
            write_checkpoint(self._files, self.directory, checkpoint).sync()
            self._files.sync_directory(self.directory)
        except OSError as error:
            raise LogFailure(self.directory, "close", error) from error
