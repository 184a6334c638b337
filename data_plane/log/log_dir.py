"""One data directory: a locked root with an identity and a directory per partition.

    meta.json  meta.copy.json  lock  running  clean-shutdown  io-failure  ballast  reserve
    partitions.manifest  high-watermarks  time-mark
    <topic id>-<partition>/          00000000000000000000.log .index .timeindex ...
    <topic id>-<partition>.deleted/  renamed away, unlinked off the loop

A damaged or missing partition is quarantined; it never stops the broker and is never made anew.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import NamedTuple

from data_plane.log import restart
from data_plane.log.creation import Creation, with_failures
from data_plane.log.disk_space import DiskGauge, DiskMark, make_room
from data_plane.log.failures import DamagedLog, DirectoryRefused, LogFailure
from data_plane.log.files import DiskSpace, Files, Lock, read_whole, write_atomically
from data_plane.log.identity import NAME as IDENTITY_NAME
from data_plane.log.identity import Identity, check_identity, read_identity, write_identity
from data_plane.log.log_config import LogConfig
from data_plane.log.manifest import NAME as MANIFEST_NAME
from data_plane.log.manifest import Manifest, PartitionKey, key_from_directory
from data_plane.log.partition_log import PartitionLog
from data_plane.log.recovery_syncs import RecoverySyncs
from data_plane.log.restart import UNKNOWN_EPOCH, LastRun, RestartKind
from data_plane.log.segment import DELETED, LOG
from data_plane.log.time_mark import read_time_mark, write_time_mark
from data_plane.log.trusted import Era
from data_plane.log.watermarks import Watermarks
from data_plane.protocol.errors import UnknownTopicOrPartition

LOCK_NAME = "lock"
QUARANTINE_NAME = "quarantine"
SYNCED_TOGETHER_MAX = 1_000  # partitions; a stop meanwhile makes the next recovery read them again
logger = logging.getLogger(__name__)


class NewPartition(NamedTuple):
    """A partition to create; `topic` is for people who read the manifest."""

    key: PartitionKey
    topic: str


class LogDir:
    """The partitions of one broker on one disk; opened lazily, one by one."""

    def __init__(
        self,
        files: Files,
        root: PurePath,
        identity: Identity,
        *,
        lock: Lock,
        last: LastRun,
        boot_id: str,
        disk_bytes_max: int | None,
    ) -> None:
        """Use `open`."""
        self.files = files
        self.root = root
        self.identity = identity
        self.restart_kind = kind = last.kind
        self.last_clean_epoch = last.broker_epoch  # the broker's, when it stopped cleanly; or -1
        self._run_number = last.number + 1
        self.last_used_ms = read_time_mark(files, root)  # Unix ms; None: nothing tells
        self._wall_ahead_ms = 0
        self._lock = lock
        self._boot_id = boot_id
        self._was_clean = kind in (RestartKind.CLEAN, RestartKind.NEW_DIRECTORY)
        self._is_recovered = self._was_clean
        # Storage failed in the last run: what is read may not be on the disk.
        self.is_distrusted = restart.has_failed(files, root)
        self.manifest = Manifest(
            files, root, was_clean=self._was_clean, is_distrusted=self.is_distrusted
        )
        if self.manifest.damaged_lines:
            logger.warning("%s: %d damaged", root / MANIFEST_NAME, self.manifest.damaged_lines)
        self.watermarks = Watermarks(files, root)
        self.era = Era()  # counted by the broker
        self.quarantined: dict[PartitionKey, str] = {}
        self._logs: dict[PartitionKey, PartitionLog] = {}
        self._closed_bytes: dict[PartitionKey, int] = {}  # sizes of partitions not open
        self._garbage: list[PurePath] = []  # renamed directories
        self._creation: Creation | None = None  # under way
        self._survey()
        self._disk = DiskGauge(files, root, disk_bytes_max)
        self.disk_mark = self._disk.mark  # as of the last update

    @classmethod
    def open(
        cls,
        files: Files,
        root: PurePath,
        identity: Identity,
        *,
        boot_id: str = "",
        disk_bytes_max: int | None = None,
    ) -> "LogDir":
        """Claim a data directory, or make it if it is new.

        identity: its directory_id is used only in a new directory. boot_id: says which boot of the
        machine, and which mount, this is. disk_bytes_max: the plan's share of the disk.
        Raises DirectoryRefused: in use, another cluster's or broker's, or nobody's though not new.
        """
        files.make_directory(root)
        files.sync_directory(root.parent)
        lock = files.lock(root / LOCK_NAME)
        try:
            files.watch(root)  # Before anything is written that may fail.
            make_room(files, root)
            found = read_identity(files, root)
            if found is not None:
                check_identity(root, found, identity)
            elif files.exists(root / MANIFEST_NAME):
                # Under a new identity the cluster would take everything in here for lost.
                raise DirectoryRefused(
                    f"{root} has been in use but its {IDENTITY_NAME} is missing; restore that file "
                    "or start with another directory"
                )
            last = restart.last_run(files, root, is_new=found is None, boot_id=boot_id)
            written = write_identity(files, root, found or identity)
            if found is not None and written:
                logger.warning("%s: %s written anew", root, " and ".join(written))
            # A stop before the controller was told of a power loss must not hide it (recover).
            is_lost = last.kind is RestartKind.POWER_LOSS
            restart.mark_running(files, root, "" if is_lost else boot_id, last.number + 1)
            return cls(
                files,
                root,
                found or identity,
                lock=lock,
                last=last,
                boot_id=boot_id,
                disk_bytes_max=disk_bytes_max,
            )
        except BaseException:
            lock.release()
            raise

    def _survey(self) -> None:
        """Compare the root with the manifest: adopt, note what is quarantined, find leftovers."""
        adopted = []
        for name in self.files.list_names(self.root):
            path = self.root / name
            if name.endswith(DELETED):
                self._garbage.append(path)
            key = key_from_directory(name)
            if key is None:
                continue
            if key not in self.manifest.topics:
                if self._is_unfinished(path):
                    continue
                adopted.append((key, ""))
            self._survey_partition(key, path)
        self.manifest.add(adopted)

    def _is_unfinished(self, path: PurePath) -> bool:
        """A stop came right behind the making of a directory: its partition was not created yet,
        nobody was told of it, and it may be created still."""
        try:
            return not self.files.list_names(path)
        except OSError:
            return False

    def _survey_partition(self, key: PartitionKey, path: PurePath) -> None:
        try:
            names = self.files.list_names(path)
            logs = [path / name for name in names if name.endswith(LOG)]
            self._closed_bytes[key] = sum(self.files.size_bytes(log) for log in logs)
            if QUARANTINE_NAME in names:
                reason = read_whole(self.files, path / QUARANTINE_NAME) or b""
                self.quarantined[key] = reason.decode(errors="replace")
        except OSError as error:
            self.quarantined[key] = f"{error.strerror}"

    # Partitions.

    def partitions(self) -> list[PartitionKey]:
        """Every partition that was created here and not deleted, lost ones included."""
        return list(self.manifest.topics)

    def open_logs(self) -> dict[PartitionKey, PartitionLog]:
        """The logs opened so far; to be read only."""
        return self._logs

    def create_partitions(self, new: Sequence[NewPartition]) -> None:
        """Make empty partitions, durably, so that they can never be taken for new again.

        One that was created before is left as it is. Raises DiskFull, LogFailure.
        """
        missing = [p for p in new if p.key not in self.manifest.topics]
        if not missing:
            return
        if self._creation is not None:
            self._creation.cancelled.difference_update(one.key for one in missing)
        creation = self._begun(missing)
        creation.make()
        with_failures(self.root, lambda: self.manifest.add(missing))

    def begin_create(self, new: Sequence[NewPartition]) -> Creation | None:
        """As `create_partitions`, in steps: the caller runs `Creation.make` anywhere, calls
        `note_created`, runs `Creation.sync_manifest`, and calls `end_create`.

        None: all were created before. One at a time. Raises DiskFull, LogFailure.
        """
        assert self._creation is None, "one at a time"
        missing = [p for p in new if p.key not in self.manifest.topics]
        if missing:
            self._creation = self._begun(missing)
        return self._creation

    def _begun(self, missing: Sequence[NewPartition]) -> Creation:
        directories = [self._directory(partition.key) for partition in missing]
        self.watermarks.forget([partition.key for partition in missing])
        manifest = self.manifest.file()
        return Creation(self.files, self.root, dict(missing), directories, manifest)

    def note_created(self, creation: Creation) -> None:
        """The directories are durable. Raises DiskFull, LogFailure."""
        with_failures(self.root, lambda: self.manifest.write(creation.partitions))

    def end_create(self, creation: Creation, *, is_made: bool) -> None:
        """is_made: the manifest says so, durably; else each is made at its first use.

        What was to be deleted meanwhile is deleted now. Raises LogFailure.
        """
        self._creation = None
        if is_made:
            self.manifest.topics.update(creation.partitions)
        if creation.cancelled:
            self.delete_partitions(list(creation.cancelled))

    def open_partition(
        self,
        key: PartitionKey,
        config: LogConfig,
        *,
        now_ms: int,
        syncs: RecoverySyncs | None = None,
    ) -> PartitionLog:
        """Return a partition's log, opening it at the first call.

        syncs: what has to be run before the log is used; None: that is done here.
        Raises UnknownTopicOrPartition if it was never created here, DamagedLog if it is quarantined
        or has to be, LogFailure if storage failed.
        """
        log = self._logs.get(key)
        if log is not None:
            return log
        if key in self.quarantined:
            raise DamagedLog(self.quarantined[key])
        if key not in self.manifest.topics:
            raise UnknownTopicOrPartition
        try:
            log = PartitionLog.open(
                self.files,
                self._directory(key),
                config,
                was_clean=self._was_clean,
                now_ms=now_ms,
                syncs=syncs,
                is_distrusted=self.is_distrusted and not self._is_recovered,
            )
        except DamagedLog as error:
            self.quarantine(key, str(error))
            raise
        self._logs[key] = log
        log.wall_ahead_ms = self._wall_ahead_ms
        log.trusted.era = self.era
        self._closed_bytes.pop(key, None)
        if self._is_recovered:
            self._lower_watermarks([key])
        return log

    def _lower_watermarks(self, keys: Iterable[PartitionKey]) -> None:
        """What a stop took from logs was not committed, or is no more; other records may follow."""
        stored = self.watermarks.stored
        ends = {key: self._logs[key].log_end_offset for key in keys if key in self._logs}
        if any(stored.get(key, 0) > end for key, end in ends.items()):
            self.watermarks.lower(ends)

    def recover(
        self, config_of: Callable[[PartitionKey], LogConfig], *, now_ms: int
    ) -> Iterator[PartitionKey]:
        """After any stop but a clean one, open and sync every partition, yielding between them.

        Must be run to its end before the broker serves, and only once the controller knows how the
        last run ended: from then on this boot of the machine vouches for what is here. Damaged
        partitions end in `quarantined`.
        """
        if self._is_recovered:
            return
        syncs = RecoverySyncs(self.files)
        for key in self.partitions():
            with suppress(DamagedLog):  # It is then in `quarantined`, with its reason.
                self.open_partition(key, config_of(key), now_ms=now_ms, syncs=syncs)
            if len(syncs) >= SYNCED_TOGETHER_MAX:
                syncs.run()
            yield key
        syncs.run()
        self._lower_watermarks(self.partitions())
        self._is_recovered = True
        restart.clear_failure(self.files, self.root)
        if self.restart_kind is RestartKind.POWER_LOSS:
            restart.mark_running(self.files, self.root, self._boot_id, self._run_number)

    def quarantine(self, key: PartitionKey, reason: str) -> None:
        """Take a partition out of service, over restarts too; its files stay for a person."""
        self.quarantined[key] = reason
        self._logs.pop(key, None)
        directory = self._directory(key)
        try:
            if self.files.exists(directory):
                write_atomically(self.files, directory / QUARANTINE_NAME, reason.encode())
        except OSError:
            return  # The damage will be found again.

    def delete_partitions(self, keys: Sequence[PartitionKey]) -> None:
        """Forget partitions: in the manifest, then by renaming; `garbage_job` unlinks.

        Whoever still sends an extent of them may go on. Raises LogFailure. Nothing of it is synced:
        a start deletes anew what the image does not have.
        """
        under_way = {} if self._creation is None else self._creation.partitions
        if self._creation is not None:
            self._creation.cancelled.update(key for key in keys if key in under_way)
        try:
            self.manifest.remove(keys)
            for key in keys:
                if key in under_way and key not in self._logs:
                    continue  # Deleted at the end of its making.
                self._logs.pop(key, None)
                self._closed_bytes.pop(key, None)
                self.quarantined.pop(key, None)
                directory = self._directory(key)
                if self.files.exists(directory):
                    doomed = directory.with_name(directory.name + DELETED)
                    self.files.rename(directory, doomed)
                    self._garbage.append(doomed)
        except OSError as error:
            raise LogFailure(self.root, "delete", error) from error

    def garbage_job(self) -> Callable[[], None] | None:
        """Return the unlinking to be done off the loop, or None if there is nothing to unlink."""
        trees, self._garbage = self._garbage, []
        paths: list[PurePath] = []
        for log in self._logs.values():
            if log.garbage:
                paths += log.garbage
                log.garbage = []
        if not trees and not paths:
            return None

        def unlink() -> None:
            for path in paths:
                self.files.remove(path)
            for tree in trees:
                self.files.remove_tree(tree)

        return unlink

    # Time.

    def set_wall_ahead(self, ahead_ms: int) -> None:
        """How much later than the broker's clock records may be stamped, for the wall clock is."""
        self._wall_ahead_ms = ahead_ms
        for log in self._logs.values():
            log.wall_ahead_ms = ahead_ms

    def mark_time(self, time_ms: int) -> Callable[[], None]:
        """Note when this directory was in use; run what is returned. Raises OSError."""
        return write_time_mark(self.files, self.root, time_ms)

    # The disk.

    @property
    def used_bytes(self) -> int:
        """The bytes of all record batches in this directory."""
        return sum(log.size_bytes for log in self._logs.values()) + sum(self._closed_bytes.values())

    def size_bytes(self, key: PartitionKey) -> int:
        """One partition's bytes of record batches, open or not; 0 where there is none."""
        log = self._logs.get(key)
        return self._closed_bytes.get(key, 0) if log is None else log.size_bytes

    @property
    def space(self) -> DiskSpace:
        """What the disk, or the plan's share of it, has; as of the last update."""
        return self._disk.space

    def update_disk_mark(self) -> DiskMark:
        """Measure free space again; to be called about once a second."""
        try:
            self._disk.update(self.used_bytes)
        finally:  # The mark is known, though there may be no room for the ballast.
            self.disk_mark = self._disk.mark
        return self.disk_mark

    def mark_failure(self, failure: LogFailure) -> None:
        """Note that storage failed, if a note can still be written; then exit with code 74."""
        restart.mark_failure(self.files, self.root, str(failure))

    def abandon(self, error: BaseException) -> None:
        """A start has failed. A failed sync is as fatal then as later: the next start must know."""
        if isinstance(error, LogFailure):
            self.mark_failure(error)
        self.close(is_clean=False)

    def close(self, *, is_clean: bool, broker_epoch: int = UNKNOWN_EPOCH) -> None:
        """Close every log and give the directory up.

        A clean stop leaves the mark that spares the next start its scans, with the epoch under
        which the broker ran. Raises LogFailure.
        """
        try:
            for log in self._logs.values():
                log.close(is_clean=is_clean)
            if is_clean and self._is_recovered:
                self.manifest.file().sync()  # The next start trusts it: nothing is read again.
                restart.mark_clean(self.files, self.root, self._run_number, broker_epoch)
        except OSError as error:
            raise LogFailure(self.root, "close", error) from error
        finally:
            self._lock.release()

    def _directory(self, key: PartitionKey) -> PurePath:
        return self.root / key.directory_name
