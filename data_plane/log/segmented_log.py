"""What a partition's log consists of: segments, what of them holds, what of it is durable."""

from collections.abc import Sequence
from pathlib import PurePath

from data_plane.log.checkpoint import Checkpoint, write_checkpoint
from data_plane.log.failures import DiskFull, LogFailure
from data_plane.log.files import Files
from data_plane.log.log_config import LogConfig
from data_plane.log.producer_state import ProducerStates
from data_plane.log.recovery import LoadedLog
from data_plane.log.resume import remove_resume_point, write_resume_point
from data_plane.log.segment import FULL, Segment
from data_plane.log.sync import SyncState, SyncTicket
from data_plane.log.trusted import Trusted
from data_plane.log.txn_index import TxnIndex
from data_plane.log.txn_rebuild import rebuild_txn_index


class SegmentedLog:
    """The state that reading, appending and shortening share.

    log_start_offset <= synced_offset? <= log_end_offset      (synced: durable, durability.md 1)
    """

    def __init__(
        self, files: Files, directory: PurePath, config: LogConfig, loaded: LoadedLog
    ) -> None:
        self._files = files
        self.directory = directory
        self.config = config
        self._segments = loaded.segments
        self._bases = [segment.base_offset for segment in loaded.segments]
        self._epochs = loaded.epochs
        self._producers = loaded.producers
        self.log_start_offset = loaded.log_start_offset
        self.log_end_offset = self.synced_offset = loaded.log_end_offset
        self.trusted = Trusted(loaded.log_end_offset)
        self.size_bytes = sum(segment.size_bytes for segment in loaded.segments)
        self.garbage: list[PurePath] = []  # renamed files, to be unlinked off the loop
        self._now_ms = loaded.segments[-1].created_ms
        self._sync = SyncState(files, directory)
        self._recovery_point = loaded.log_end_offset
        self._bytes_since_checkpoint = 0

    @property
    def leader_epoch(self) -> int:
        """The epoch of the last record in the log, -1 if there is none."""
        return self._epochs.latest

    @property
    def is_dirty(self) -> bool:
        """True while something is written and not yet synced."""
        return self._sync.is_dirty

    @property
    def unsynced_bytes(self) -> int:
        """Of records that were written and not yet synced; never less."""
        return self._sync.unsynced_bytes

    @property
    def segment_base_offsets(self) -> tuple[int, ...]:
        return tuple(self._bases)

    @property
    def producers(self) -> ProducerStates:
        """The producers' windows; to be read only."""
        return self._producers

    @property
    def segments(self) -> Sequence[Segment]:
        """The segments in order, the active one last; to be read only."""
        return self._segments

    @property
    def _active(self) -> Segment:
        return self._segments[-1]

    @property
    def first_unstable_offset(self) -> int | None:
        """Where the first transaction begins that is open, or whose marker may yet be lost."""
        return self._producers.first_unstable_offset

    def forget_decided(self, high_watermark: int) -> None:
        """The high watermark has moved: what ended below it is decided for good."""
        self._producers.forget_decided(high_watermark)

    def sync_ticket(self, *, holds_files: bool = True) -> SyncTicket:
        """Return what has to be synced for all that is written now; see sync.py."""
        is_due = self._bytes_since_checkpoint >= self.config.checkpoint_bytes
        return self._sync.ticket(
            self.log_end_offset,
            holds_files=holds_files,
            resume_point=self._resume_point() if is_due else None,
        )

    def _resume_point(self) -> bytes:
        """Return a note of the active segment, empty for none; the layer that appends knows it."""
        raise NotImplementedError

    def complete_sync(self, ticket: SyncTicket) -> bool:
        """Let synced_offset follow a ticket that ran well; False if the ticket is stale."""
        if not self._sync.complete(ticket):
            return False
        self.synced_offset = max(self.synced_offset, ticket.end_offset)
        is_roll_synced = self._recovery_point < self._active.base_offset <= self.synced_offset
        if is_roll_synced or ticket.resume_point is not None:
            self._recovery_point = self.synced_offset
            self._bytes_since_checkpoint = 0
            self._write_checkpoint(ticket.resume_point, is_after_roll=is_roll_synced)
        return True

    def _write_checkpoint(
        self, resume_point: bytes | None = None, *, is_after_roll: bool = False
    ) -> None:
        """Note the recovery point and the log start; without room the older note stays.

        resume_point: as of the recovery point; it counts only with a checkpoint that reaches it.
        is_after_roll: the one that is there speaks of a segment that is closed.
        """
        checkpoint = Checkpoint(self._recovery_point, self.log_start_offset)
        try:
            write_checkpoint(self._files, self.directory, checkpoint)
            if resume_point:
                write_resume_point(self._files, self.directory, resume_point)
            elif is_after_roll:
                remove_resume_point(self._files, self.directory)
        except OSError as error:
            failure = self._failure("checkpoint", error)
            if isinstance(failure, LogFailure):
                raise failure from error

    def _begin_segment(self, base: int) -> None:
        segment = Segment(
            self._files,
            self.directory,
            base,
            next_offset=base,
            size_bytes=0,
            created_ms=self._now_ms,
            index_interval_bytes=self.config.index_interval_bytes,
        )
        segment.begin_indexes()
        segment.txn_index = TxnIndex()
        self._segments.append(segment)
        self._bases.append(base)

    def _txn_index(self, at: int) -> TxnIndex:
        """The transaction index of a segment, read or made anew at its first use."""
        segment = self._segments[at]
        if segment.txn_index is None and not segment.load_txn_index():
            segment.txn_index = rebuild_txn_index(
                self._files, self.directory, self._segments, at, self._now_ms
            )
        assert segment.txn_index is not None
        return segment.txn_index

    def _failure(self, doing: str, error: OSError) -> DiskFull | LogFailure:
        """Say what an OSError on a write means: no room is survivable, nothing else is."""
        if error.errno in FULL:
            return DiskFull(f"no room to {doing} {self.directory.name}")
        return LogFailure(self.directory, doing, error)
