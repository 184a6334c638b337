"""Bugs planted into logs, what they remember of producers, and their directory."""

from collections.abc import Iterator, Sequence
from typing import Any

from data_plane.broker.upkeep import Upkeep
from data_plane.log import partition_log, recovery, resume, shrinkable_log, side_files
from data_plane.log.failures import LogFailure
from data_plane.log.leader_epochs import LeaderEpochs
from data_plane.log.log_dir import LogDir, NewPartition
from data_plane.log.memory_files import MemoryFile, MemoryFiles
from data_plane.log.producer_state import ProducerStates, WrittenBatch
from data_plane.log.recovery import LoadedLog
from data_plane.log.shrinkable_log import ShrinkableLog
from data_plane.log.side_files import snapshot_offsets
from data_plane.log.staging_log import StagingLog
from data_plane.protocol.errors import KafkaError
from data_plane.protocol.records.batch import BatchHeader
from data_plane.replication.sync_cycle import SyncCycle
from tests.simulation.plants import Plant, Planted

# --- recovery ------------------------------------------------------------------------------------


def torn_tail_kept(plant: Plant) -> None:
    """Recovery compares no checksums: what looks like a batch is one."""
    valid_batches = recovery.valid_batches

    def lenient(
        file: Any, end: int, checked_from: int, **more: int
    ) -> Iterator[tuple[int, BatchHeader]]:
        found = list(valid_batches(file, end, 1 << 62, **more))
        if len(found) != len(list(valid_batches(file, end, checked_from, **more))):
            plant.bites()
        return iter(found)

    plant.replace(recovery, "valid_batches", lenient)


def markers_decided_by_a_start(plant: Plant) -> None:
    """All that a log holds at a start is taken for committed, markers too."""
    load_log = recovery.load_log

    def hasty(*args: Any, **more: Any) -> LoadedLog:
        loaded = load_log(*args, **more)
        before = loaded.producers.first_unstable_offset
        loaded.producers.forget_decided(loaded.log_end_offset)
        if loaded.producers.first_unstable_offset != before:
            plant.bites()
        return loaded

    plant.replace(partition_log, "load_log", hasty)


def recovered_tail_not_synced(plant: Plant) -> None:
    """What a crash of the process left in the page cache is built upon as it is."""

    def trusting(self: Any, loaded: LoadedLog, *_: Any) -> None:
        if any(segment.size_bytes for segment in loaded.segments):
            plant.bites()

    plant.replace(recovery._Recovery, "_make_durable", trusting)


def producers_forgotten_at_restart(plant: Plant) -> None:
    """Duplicates are known as long as the process lives."""
    load_log = recovery.load_log

    def forgetful(*args: Any, **more: Any) -> LoadedLog:
        loaded = load_log(*args, **more)
        if len(loaded.producers):
            plant.bites()
        loaded.producers = ProducerStates()
        return loaded

    plant.replace(partition_log, "load_log", forgetful)


def snapshot_of_cut_history_kept(plant: Plant) -> None:
    """A producer snapshot above the end of the log stays, for when the log has grown past it."""
    remove = side_files.remove_snapshots

    def lax(files: Any, directory: Any, *, above: int = -1, below: int = -1) -> None:
        if above >= 0 and any(one > above for one in snapshot_offsets(files, directory)):
            plant.bites()
        if below >= 0:
            remove(files, directory, below=below)

    plant.replace(recovery, "remove_snapshots", lax)
    plant.replace(shrinkable_log, "remove_snapshots", lax)


def note_of_cut_history_believed(plant: Plant) -> None:
    """What a note says of the active segment is taken for true, whatever lies there by now."""
    has_batch = resume._has_batch

    def lax(file: Any, position: int, header: memoryview) -> bool:
        if not has_batch(file, position, header):
            plant.bites()
        return True

    plant.replace(resume, "_has_batch", lax)


# --- epochs --------------------------------------------------------------------------------------


def epoch_of_the_last_record_kept(plant: Plant) -> None:
    """A new leader writes under the epoch in which its log ends, as the one before it may still."""
    stage = StagingLog.stage

    def late(self: StagingLog, batches: memoryview, *, leader_epoch: int, **more: Any) -> Any:
        last = self._staged_epoch
        if 0 <= last < leader_epoch:
            plant.bites()
            leader_epoch = last
        return stage(self, batches, leader_epoch=leader_epoch, **more)

    plant.replace(StagingLog, "stage", late)


# --- truncation ----------------------------------------------------------------------------------


def epochs_not_truncated(plant: Plant) -> None:
    """The epochs of what was cut are told as if it were there."""
    truncate_end = LeaderEpochs.truncate_end

    def kept(self: LeaderEpochs, offset: int) -> None:
        if self._starts and self._starts[-1] >= offset > 0:
            plant.bites()
        elif not offset:
            truncate_end(self, offset)

    plant.replace(LeaderEpochs, "truncate_end", kept)


def producers_kept_over_truncation(plant: Plant) -> None:
    """A batch that was cut is still taken for one that is there."""

    def nothing(self: ShrinkableLog) -> None:
        if len(self._producers):
            plant.bites()

    plant.replace(ShrinkableLog, "_reload_producers", nothing)


def synced_offset_kept_over_truncation(plant: Plant) -> None:
    """What was synced of what was cut counts for what comes in its place."""
    end_at = ShrinkableLog._end_at

    def kept(self: ShrinkableLog, end: int) -> None:
        synced = self.synced_offset
        end_at(self, end)
        if synced > end:
            plant.bites()
            self.synced_offset = synced

    plant.replace(ShrinkableLog, "_end_at", kept)


# --- syncing and the directory -------------------------------------------------------------------


def failed_sync_tried_again(plant: Plant) -> None:
    """The second fsync succeeds, of pages that are not dirty any more."""
    done = SyncCycle._done

    def persistent(self: SyncCycle, work: Any, error: BaseException | None) -> None:
        if not isinstance(error, LogFailure):
            done(self, work, error)
            return
        plant.bites()
        self._is_in_flight = False
        for one, _ in work:
            self.mark(one)
        self.start()

    plant.replace(SyncCycle, "_done", persistent)


def manifest_not_synced(plant: Plant) -> None:
    """A new partition, its name and its line in the manifest are written, and no more."""
    create = LogDir.create_partitions
    is_creating = False

    def hasty(self: LogDir, new: Sequence[NewPartition]) -> None:
        nonlocal is_creating
        if any(one.key not in self.manifest.topics for one in new):
            plant.bites()
        is_creating = True
        try:
            create(self, new)
        finally:
            is_creating = False

    def unless_creating(owner: type, name: str, instead: object) -> None:
        right = getattr(owner, name)
        plant.replace(owner, name, lambda *args: instead if is_creating else right(*args))

    unless_creating(MemoryFile, "sync", None)
    unless_creating(MemoryFiles, "sync_directory", None)
    unless_creating(MemoryFiles, "sync_file_system", True)
    plant.replace(LogDir, "create_partitions", hasty)


def deleted_start_not_noted(plant: Plant) -> None:
    """Where DeleteRecords let a log begin is forgotten with the process."""
    remove_first = ShrinkableLog._remove_first

    def lax(self: ShrinkableLog, count: int) -> None:
        if count:
            remove_first(self, count)
        else:
            plant.bites()

    plant.replace(ShrinkableLog, "_remove_first", lax)


# --- producers -----------------------------------------------------------------------------------


def zombie_producer_not_fenced(plant: Plant) -> None:
    """A batch of a producer's epoch before is taken."""
    check = ProducerStates.check

    def lenient(self: ProducerStates, header: BatchHeader, **more: Any) -> WrittenBatch | None:
        known = self.get(header.producer_id)
        if known is not None and header.producer_epoch < known.producer_epoch:
            plant.bites()
            return None
        return check(self, header, **more)

    plant.replace(ProducerStates, "check", lenient)


def late_marker_taken(plant: Plant) -> None:
    """A marker of an earlier epoch, or coordinator, ends what is open now."""
    check = ProducerStates.check_marker

    def lenient(self: ProducerStates, *args: Any, **more: Any) -> None:
        try:
            check(self, *args, **more)
        except KafkaError:
            plant.bites()

    plant.replace(ProducerStates, "check_marker", lenient)


# --- compaction ----------------------------------------------------------------------------------


def swap_left_by_role_change(plant: Plant) -> None:
    """A last swap counts as finished although its replica has another role, and was left alone."""
    synced = Upkeep._synced

    def hasty(self: Upkeep, run: Any, error: BaseException | None) -> None:
        if error is None and run.partition.is_gone:
            plant.bites()
            run.groups_done += 1
        synced(self, run, error)

    plant.replace(Upkeep, "_synced", hasty)


BANK = (
    Planted("torn tail kept", torn_tail_kept, aim="power lost ahead"),
    Planted("markers decided by a start", markers_decided_by_a_start, aim="marker at the tail"),
    Planted("recovered tail not synced", recovered_tail_not_synced, aim="crash with a tail"),
    Planted(
        "duplicate check off after restart", producers_forgotten_at_restart, aim="all crash ahead"
    ),
    Planted(
        "producer snapshot of a cut history kept",
        snapshot_of_cut_history_kept,
        needs=("small segments",),
        aim="leader lost ahead",
    ),
    Planted(
        "resume point of a cut history believed",
        note_of_cut_history_believed,
        needs=("small segments",),
        aim="leader lost ahead",
    ),
    Planted(
        "epoch of the last record kept", epoch_of_the_last_record_kept, aim="leader lost ahead"
    ),
    Planted("leader epochs not truncated", epochs_not_truncated, aim="new epoch lost"),
    Planted(
        "producers kept over truncation",
        producers_kept_over_truncation,
        aim="next leader lost too",
    ),
    Planted(
        "synced offset kept over truncation",
        synced_offset_kept_over_truncation,
        aim="leader lost ahead",
    ),
    Planted("failed sync tried again", failed_sync_tried_again, aim="failed sync"),
    Planted("manifest not synced", manifest_not_synced, aim="topic made, power lost"),
    Planted(
        "start of deleted records forgotten",
        deleted_start_not_noted,
        needs=("deleted records", "process crash"),
    ),
    Planted(
        "zombie producer not fenced", zombie_producer_not_fenced, aim="batch of an epoch before"
    ),
    Planted("late marker taken", late_marker_taken, aim="markers held up"),
    Planted(
        "swap left behind by a change of role",
        swap_left_by_role_change,
        aim="role changed in a swap",
    ),
)
