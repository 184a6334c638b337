"""A voter's memory on disk: term and vote in one small file, entries in a log of frames.

quorum-state: replaced atomically; magic `OTQ2`, CRC-32C, then term int64, vote int32 (-1: none) and
the chosen directory's id in 16 bytes. `OTQ1`, of a quorum of one voter, has no directory.
entries.log: one frame per persist: magic `OTF1`, body length uint32, CRC-32C uint32 of the body;
the body holds batches: base offset int64, term int64, count uint32, then per entry length uint32
and bytes. A base offset that was there before replaces everything from there on: a conflict with a
later leader cuts nothing off the file. All numbers are big-endian.
snapshot: what the log's beginning was replaced by (snapshot.py); the log may still overlap it, or,
after a crash while a leader's snapshot was stored, end before it.

Each frame is synced before the next is begun, so a crash can damage only the last one: a damaged
frame with nothing readable behind it is a torn tail and is cut off, one with a whole frame behind
it is damage to what had been committed, and the voter must not start (durability.md 3).
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath
from uuid import UUID

from crc32c import crc32c

from data_plane.log.failures import DamagedLog, LogFailure
from data_plane.log.files import File, Files, read_whole, write_atomically
from data_plane.raft.entries import EntryBatch, HardState, Ready
from data_plane.raft.failures import DiskFull, storage_failures
from data_plane.raft.messages import SnapshotChunk
from data_plane.raft.snapshot import (
    SNAPSHOT_NAME,
    Snapshot,
    SnapshotDraft,
    draft_of,
    read_snapshot,
)

STATE_NAME = "quorum-state"
LOG_NAME = "entries.log"

_STATE_MAGIC = b"OTQ2"
_STATE = struct.Struct(">qi16s")
_STATE_MAGIC_1 = b"OTQ1"
_STATE_1 = struct.Struct(">qi")
_FRAME_MAGIC = b"OTF1"
_FRAME = struct.Struct(">4sII")  # magic, body length in bytes, CRC-32C of the body
_BATCH = struct.Struct(">qqI")  # base offset, term, entry count
_LENGTH = struct.Struct(">I")


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
        self.snapshot: Snapshot | None = None  # As found by `load`, for the first replay.
        self.snapshot_bytes = 0
        # The published snapshot, which stays readable while another takes its name.
        self._snapshot_file: File | None = None
        self._snapshot_offset = -1

    @property
    def log_bytes(self) -> int:
        return self._end

    def load(self) -> tuple[HardState, list[EntryBatch]]:
        """Read everything back, cutting off a torn tail. Raises DamagedLog.

        The batches are those behind `snapshot`, which is None where there is none.
        """
        self._files.make_directory(self._directory)
        self._files.sync_directory(self._directory.parent)
        hard_state = self._load_state()
        self.snapshot, self.snapshot_bytes = read_snapshot(self._files, self._directory)
        if self.snapshot is not None and not self._files.exists(self._log_path):
            raise DamagedLog(f"{self._log_path}: missing, though there is a snapshot")
        self._hold_snapshot()
        file = self._file = self._files.open(self._log_path, create=True)
        self._files.sync_directory(self._directory)
        content = file.read(0, file.size_bytes())
        batches = self._read_frames(content)
        if self._end < len(content):
            file.truncate(self._end)
        file.sync()  # Also what a process crash left in the page cache is kept: make it last.
        newest = max(batches[-1].term if batches else 0, self.snapshot.term if self.snapshot else 0)
        if newest > hard_state.term:
            raise DamagedLog(f"{self._state_path}: term is older than the log's")
        return hard_state, self._behind_snapshot(batches)

    def _behind_snapshot(self, batches: list[EntryBatch]) -> list[EntryBatch]:
        """Raises DamagedLog if something between snapshot and log, or before both, is missing."""
        covered = -1 if self.snapshot is None else self.snapshot.last_offset
        if not batches:
            return []
        if batches[0].base_offset > covered + 1:
            raise DamagedLog(f"{self._log_path}: offset {covered + 1} is missing")
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
        self._end = 0

    def _hold_snapshot(self) -> None:
        if self._files.exists(self._directory / SNAPSHOT_NAME):
            self._snapshot_file = self._files.open(self._directory / SNAPSHOT_NAME)
        if self.snapshot is not None:
            self._snapshot_offset = self.snapshot.last_offset

    def fill(self, chunk: SnapshotChunk, bytes_max: int) -> SnapshotChunk | None:
        """Read the data of a chunk; None if that snapshot is not there any more."""
        if self._snapshot_file is None or chunk.last_offset != self._snapshot_offset:
            return None
        size_bytes = min(bytes_max, chunk.size_bytes - chunk.position)
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
        self._file, self._end = cut.draft, cut.size_bytes
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
                    write_atomically(self._files, self._state_path, _encode_state(ready.hard_state))
                if ready.batches:
                    frame = encode_frame(ready.batches)
                    self._file.append([frame], len(frame))
                    self._file.sync()
                    self._end += len(frame)
                if ready.snapshot is not None:
                    self._install(ready.snapshot)
        except DiskFull:
            self._cut_back()
            raise

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
            self._file.truncate(self._end)
        except OSError as error:
            raise LogFailure(self._directory, "truncate", error) from error

    def _load_state(self) -> HardState:
        content = read_whole(self._files, self._state_path)
        if content is None:
            return HardState()
        magic, body = content[:4], content[8:]
        if content[4:8] == _LENGTH.pack(crc32c(body)):
            if magic == _STATE_MAGIC and len(body) == _STATE.size:
                term, vote, directory = _STATE.unpack(body)
                return HardState(term, None if vote < 0 else vote, UUID(bytes=directory))
            if magic == _STATE_MAGIC_1 and len(body) == _STATE_1.size:
                term, vote = _STATE_1.unpack(body)
                return HardState(term, None if vote < 0 else vote)
        raise DamagedLog(f"{self._state_path}: not a quorum state")

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
                    raise DamagedLog(f"{self._log_path}: offset {expected} is missing")
                if batches and expected is not None and batch.base_offset < expected:
                    raise DamagedLog(f"{self._log_path}: offset {batch.base_offset} is there twice")
                first = batch.base_offset if first is None else first
                batches.append(batch)
            self._end += _FRAME.size + len(body)
        if _has_frame_after(content, self._end):
            raise DamagedLog(f"{self._log_path}: damaged at byte {self._end}, before its end")
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
            at += _FRAME.size + len(body)
        return at


def _encode_state(state: HardState) -> bytes:
    vote = -1 if state.voted_for is None else state.voted_for
    body = _STATE.pack(state.term, vote, state.voted_directory.bytes)
    return _STATE_MAGIC + _LENGTH.pack(crc32c(body)) + body


def encode_batches(batches: Sequence[EntryBatch]) -> bytes:
    parts: list[bytes] = []
    for batch in batches:
        parts.append(_BATCH.pack(batch.base_offset, batch.term, len(batch.entries)))
        for entry in batch.entries:
            parts += (_LENGTH.pack(len(entry)), entry)
    return b"".join(parts)


def encode_frame(batches: Sequence[EntryBatch]) -> bytes:
    body = encode_batches(batches)
    return _FRAME.pack(_FRAME_MAGIC, len(body), crc32c(body)) + body


def frame_at(content: bytes, at: int) -> memoryview | None:
    """Return the body of the whole and undamaged frame at byte `at`, or None."""
    if len(content) - at < _FRAME.size:
        return None
    magic, size_bytes, checksum = _FRAME.unpack_from(content, at)
    start = at + _FRAME.size
    if magic != _FRAME_MAGIC or size_bytes > len(content) - start:
        return None
    body = memoryview(content)[start : start + size_bytes]
    return body if crc32c(body) == checksum else None


def _has_frame_after(content: bytes, at: int) -> bool:
    found = content.find(_FRAME_MAGIC, at + 1)
    while found >= 0:
        if frame_at(content, found) is not None:
            return True
        found = content.find(_FRAME_MAGIC, found + 1)
    return False


def decode_batches(body: memoryview) -> Iterator[EntryBatch]:
    """Yield the batches of a frame's body. Raises ValueError or struct.error for malformed bytes,

    which a verified checksum rules out and a peer's message does not.
    """
    at = 0
    while at < len(body):
        base_offset, term, count = _BATCH.unpack_from(body, at)
        at += _BATCH.size
        if not count:
            raise ValueError("a batch has at least one entry")
        entries = []
        for _ in range(count):
            (size_bytes,) = _LENGTH.unpack_from(body, at)
            at += _LENGTH.size
            if size_bytes > len(body) - at:
                raise ValueError("a batch is cut off")
            entries.append(bytes(body[at : at + size_bytes]))
            at += size_bytes
        yield EntryBatch(base_offset, term, tuple(entries))
