"""A voter's memory on disk: term and vote in one small file, entries in a log of frames.

quorum-state: replaced atomically. entries.log: one frame of batches per persist. A base offset that
was there before replaces everything from there on: a conflict with a later leader cuts nothing off
the file. The bytes of both: frames.py. Room for both is taken beforehand, behind the log's end and
in the draft of the next state, so that a disk which something else has filled still takes the
deletions that free it (durability.md 2).
snapshot: what the log's beginning was replaced by (snapshot.py); the log may still overlap it, or,
after a crash while a leader's snapshot was stored, end before it.

Each frame is synced before the next is begun, so a crash can damage only the last one: a damaged
frame with nothing readable behind it is a torn tail and is cut off, one with a whole frame behind
it is damage to what had been committed, and the voter must not start (durability.md 3). One flipped
bit is put right wherever it lies, in the last frame too, where it is no torn tail (mending.py).
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath

from data_plane.log.failures import LogFailure
from data_plane.log.files import File, Files, read_whole, write_anew, write_atomically
from data_plane.raft.entries import EntryBatch, HardState, Ready
from data_plane.raft.failures import DiskFull, damaged, storage_failures
from data_plane.raft.frames import (
    FRAME_HEAD_BYTES,
    decode_batches,
    decode_state,
    encode_frame,
    encode_state,
    frame_at,
    has_frame_after,
    mended_frames,
    mended_state,
)
from data_plane.raft.messages import SnapshotChunk
from data_plane.raft.snapshot import (
    SNAPSHOT_NAME,
    Snapshot,
    SnapshotDraft,
    draft_of,
    mended_snapshot,
    read_snapshot,
)

logger = logging.getLogger(__name__)
STATE_NAME = "quorum-state"
LOG_NAME = "entries.log"
ROOM_BYTES = 4 << 20  # behind the log's end; more is taken when half of it is used
ROOM_SHARE = 64  # of the disk, at most
STATE_BYTES = 4096


class RaftDisk:
    """The only place that writes a voter's files; every call blocks, `persist` until synced."""

    def __init__(self, files: Files, directory: PurePath) -> None:
        self._files = files
        self._state_path = directory / STATE_NAME
        self._log_path = directory / LOG_NAME
        self._directory = directory
        # Held open: `persist` runs off the loop's thread, where `open` may not be called.
        self._file: File | None = None
        self._end = 0  # Bytes of the log that are known whole.
        self._room_end = 0  # So far its blocks are taken.
        self.snapshot: Snapshot | None = None  # As found by `load`, for the first replay.
        self.snapshot_bytes = 0
        # The published snapshot, which stays readable while another takes its name.
        self._snapshot_file: File | None = None
        self._snapshot_offset = -1

    @property
    def log_bytes(self) -> int:
        return self._end

    def load(self, *, is_distrusted: bool = False) -> tuple[HardState, list[EntryBatch]]:
        """Read everything back, mending it and cutting off a torn tail.

        Raises DamagedLog, or LogFailure.

        The batches are those behind `snapshot`, which is None where there is none.
        is_distrusted: storage has failed, so what is read may not be on the disk, and a sync would
        not tell: the log is written anew.
        """
        self._files.make_directory(self._directory)
        self._files.sync_directory(self._directory.parent)
        self._mend(self._state_path, mended_state)
        self._mend(self._directory / SNAPSHOT_NAME, mended_snapshot)
        hard_state = self._load_state()
        self.snapshot, self.snapshot_bytes = read_snapshot(self._files, self._directory)
        if self.snapshot is not None and not self._files.exists(self._log_path):
            raise damaged(self._log_path, "missing, though there is a snapshot")
        self._hold_snapshot()
        self._mend(self._log_path, mended_frames)
        file = self._file = self._files.open(self._log_path, create=True)
        self._files.sync_directory(self._directory)
        content = file.read(0, file.size_bytes())
        batches = self._read_frames(content)
        if self._end < len(content):
            file.truncate(self._end)
        if is_distrusted:
            with storage_failures(self._directory, "write anew"):
                write_anew(self._files, self._log_path)
                self._files.sync_directory(self._directory)
            self._file = self._files.open(self._log_path)
        else:
            with storage_failures(self._directory, "sync"):
                file.sync()  # Also what a process crash left in the page cache is kept.
        self._take_room()
        self._draft_state()
        newest = max(batches[-1].term if batches else 0, self.snapshot.term if self.snapshot else 0)
        if newest > hard_state.term:
            raise damaged(self._state_path, "its term is older than the log's")
        return hard_state, self._behind_snapshot(batches)

    def _mend(self, path: PurePath, mended_content: Callable[[bytes], bytes]) -> None:
        """Write a file anew if it can be put right."""
        content = read_whole(self._files, path)
        if content is not None and (whole := mended_content(content)) != content:
            write_atomically(self._files, path, whole)
            logger.warning("%s: a flipped bit was put right", path)

    def _behind_snapshot(self, batches: list[EntryBatch]) -> list[EntryBatch]:
        """Raises DamagedLog if something between snapshot and log, or before both, is missing."""
        covered = -1 if self.snapshot is None else self.snapshot.last_offset
        if not batches:
            return []
        if batches[0].base_offset > covered + 1:
            raise damaged(self._log_path, f"offset {covered + 1} is missing")
        if not self._continues(batches):
            self._empty_log()  # The snapshot came from a leader: it stands for another log.
            return []
        return [batch for batch in batches if batch.last_offset > covered]

    def _continues(self, batches: list[EntryBatch]) -> bool:
        """True if the log holds the snapshot's last entry, or begins right behind it."""
        snapshot = self.snapshot
        if snapshot is None or batches[0].base_offset == snapshot.last_offset + 1:
            return True
        return any(
            batch.last_offset == snapshot.last_offset and batch.term == snapshot.term
            for batch in batches
        )

    def _empty_log(self) -> None:
        assert self._file is not None, "load comes first"
        self._file.truncate(0)
        self._file.sync()
        self._end = self._room_end = 0

    def _hold_snapshot(self) -> None:
        if self._files.exists(self._directory / SNAPSHOT_NAME):
            self._snapshot_file = self._files.open(self._directory / SNAPSHOT_NAME)
        if self.snapshot is not None:
            self._snapshot_offset = self.snapshot.last_offset

    def fill(self, chunk: SnapshotChunk, bytes_max: int) -> SnapshotChunk | None:
        """Read the data of a chunk; None if that snapshot is not there any more.

        Raises LogFailure, after which the process must end.
        """
        if self._snapshot_file is None or chunk.last_offset != self._snapshot_offset:
            return None
        size_bytes = min(bytes_max, chunk.size_bytes - chunk.position)
        with storage_failures(self._directory, "read a snapshot"):
            return replace(chunk, data=self._snapshot_file.read(chunk.position, size_bytes))

    def bootstrap(self, entries: Sequence[bytes], last_offset: int) -> None:
        """Give an empty directory what all voters of a new cluster begin with. Blocks.

        last_offset: how far these entries count as the log; -1 for one who joins and has nothing.
        Raises LogFailure or DiskFull.
        """
        self._files.make_directory(self._directory)
        self._files.open(self._log_path, create=True).sync()
        self._publish(Snapshot(last_offset, 0, tuple(entries)))

    @property
    def is_empty(self) -> bool:
        """True if no voter was ever here: a crash while `bootstrap` ran leaves an empty log."""
        names = (self._state_path, self._directory / SNAPSHOT_NAME)
        if any(self._files.exists(path) for path in names):
            return False
        return not self._files.exists(self._log_path) or not self._files.size_bytes(self._log_path)

    def draft_snapshot(
        self, last_offset: int, source: Callable[[], Snapshot], term: int = 0
    ) -> SnapshotDraft:
        return SnapshotDraft(self._files, self._directory, last_offset, source, term)

    def begin_cut(self, last_offset: int) -> "LogCut":
        """Prepare to drop what a published snapshot holds; nothing may be persisted until then."""
        assert self._file is not None, "load comes first"
        draft = self._files.open(draft_of(self._log_path), create=True)
        return LogCut(self._files, self._directory, self._file, self._end, draft, last_offset)

    def finish_cut(self, cut: "LogCut", snapshot_bytes: int) -> None:
        """Go on in the shorter log. Raises LogFailure, after which the process must end.

        DiskFull too: whether the name is durable is not known then.
        """
        with storage_failures(self._directory, "cut"):
            self._files.rename(draft_of(self._log_path), self._log_path)
            self._files.sync_directory(self._directory)
        self._file, self._end, self._room_end = cut.draft, cut.size_bytes, 0
        self._take_room()
        self.snapshot_bytes = snapshot_bytes
        self._snapshot_file = self._files.open(self._directory / SNAPSHOT_NAME)
        self._snapshot_offset = cut.last_offset

    def abandon_cut(self) -> None:
        self._files.remove(draft_of(self._log_path))

    def persist(self, ready: Ready) -> None:
        """Store term, vote and entries; return once they are durable.

        Raises DiskFull, the log then cut back, or LogFailure, after which the process must end.
        """
        assert self._file is not None, "load comes first"
        try:
            with storage_failures(self._directory, "persist"):
                if ready.hard_state is not None:
                    self._write_state(ready.hard_state)
                if ready.batches:
                    frame = encode_frame(ready.batches)
                    self._file.append([frame], len(frame))
                    self._file.sync()
                    self._end += len(frame)
                if ready.snapshot is not None:
                    self._install(ready.snapshot)
                self._take_room()
        except DiskFull:
            self._cut_back()
            raise

    def _write_state(self, state: HardState) -> None:
        """As write_atomically, in a draft whose block is there already."""
        path = draft_of(self._state_path)
        draft = self._files.open(path, create=True)
        if draft.size_bytes():
            draft.truncate(0)
        content = encode_state(state)
        draft.append([content], len(content))
        self._files.rename(path, self._state_path)
        draft.sync()
        self._files.sync_directory(self._directory)
        self._draft_state()

    def _draft_state(self) -> None:
        with suppress(OSError):  # No room now: the next write of it may find some, or fail.
            self._files.open(draft_of(self._state_path), create=True).reserve(STATE_BYTES)

    def _take_room(self) -> None:
        assert self._file is not None, "load comes first"
        total_bytes = self._files.space(self._directory).total_bytes
        wanted = min(ROOM_BYTES, total_bytes // ROOM_SHARE)
        if self._room_end - self._end < wanted // 2:
            with suppress(OSError):  # As above; a disk that fails says so to the next write.
                self._file.reserve(wanted)
                self._room_end = self._end + wanted

    def _install(self, snapshot: Snapshot) -> None:
        """Replace everything by a leader's snapshot: its name is durable before the log goes."""
        self._publish(snapshot)
        try:
            self._empty_log()
        except OSError as error:
            raise LogFailure(self._directory, "empty the log", error) from error

    def _publish(self, snapshot: Snapshot) -> None:
        draft = SnapshotDraft(self._files, self._directory, snapshot.last_offset, lambda: snapshot)
        draft.write()
        draft.publish()
        try:
            self._files.sync_directory(self._directory)
        except OSError as error:  # A full disk too: which snapshot a restart finds is open now.
            raise LogFailure(self._directory, "publish a snapshot", error) from error
        self.snapshot_bytes = draft.size_bytes
        self._snapshot_file = draft.file
        self._snapshot_offset = snapshot.last_offset

    def _cut_back(self) -> None:
        """Take back a write that met a full disk; its beginning may be in the file."""
        assert self._file is not None
        try:
            if self._file.size_bytes() > self._end:
                self._file.truncate(self._end)
                self._room_end = 0
        except OSError as error:
            raise LogFailure(self._directory, "truncate", error) from error

    def _load_state(self) -> HardState:
        content = read_whole(self._files, self._state_path)
        if content is None:
            return HardState()
        state = decode_state(content)
        if state is not None:
            return state
        raise damaged(self._state_path, "not a quorum state")

    def _read_frames(self, content: bytes) -> list[EntryBatch]:
        """Raises DamagedLog if a batch is missing, or a frame damaged with others behind it."""
        batches: list[EntryBatch] = []
        first: int | None = None
        while (body := frame_at(content, self._end)) is not None:
            for batch in decode_batches(body):
                while batches and batches[-1].base_offset >= batch.base_offset:
                    batches.pop()
                expected = batches[-1].last_offset + 1 if batches else first
                if expected is not None and batch.base_offset > expected:
                    raise damaged(self._log_path, f"offset {expected} is missing")
                if batches and expected is not None and batch.base_offset < expected:
                    raise damaged(self._log_path, f"offset {batch.base_offset} is there twice")
                first = batch.base_offset if first is None else first
                batches.append(batch)
            self._end += FRAME_HEAD_BYTES + len(body)
        if has_frame_after(content, self._end):
            raise damaged(self._log_path, f"damaged at byte {self._end}, before its end")
        return batches


class LogCut:
    """The log written anew without what a snapshot holds, beside the old one."""

    def __init__(
        self,
        files: Files,
        directory: PurePath,
        log: File,
        log_bytes: int,
        draft: File,
        last_offset: int,
    ) -> None:
        self.draft = draft
        self.size_bytes = 0
        self._files = files
        self._directory = directory
        self._log = log
        self._log_bytes = log_bytes
        self.last_offset = last_offset

    def write(self) -> None:
        """Copy the frames behind the snapshot, once its name is durable; blocks until they are.

        Raises DiskFull or LogFailure.
        """
        with storage_failures(self._directory, "cut"):
            self._files.sync_directory(self._directory)
            start = self._start()
            kept = self._log.read(start, self._log_bytes - start)
            self.size_bytes = len(kept)
            self.draft.truncate(0)
            if kept:
                self.draft.append([kept], len(kept))
            self.draft.sync()

    def _start(self) -> int:
        """Byte of the first frame with an entry behind the snapshot."""
        content = self._log.read(0, self._log_bytes)
        at = 0
        while (body := frame_at(content, at)) is not None:
            if any(batch.last_offset > self.last_offset for batch in decode_batches(body)):
                break
            at += FRAME_HEAD_BYTES + len(body)
        return at
