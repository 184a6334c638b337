"""The bytes of a voter's two files, and of batches on the wire; all numbers are big-endian.

quorum-state: magic `OTQ2`, CRC-32C, then term int64, vote int32 (-1: none) and the chosen
directory's id in 16 bytes. `OTQ1`, of a quorum of one voter, has no directory.
entries.log: frames of magic `OTF1`, body length uint32, CRC-32C uint32 of the body; the body holds
batches: base offset int64, term int64, count uint32, then per entry length uint32 and bytes.
"""

import struct
from collections.abc import Iterator, Sequence
from uuid import UUID

from crc32c import crc32c

from data_plane.log.mending import mended, mended_file
from data_plane.raft.entries import EntryBatch, HardState

_STATE_MAGIC = b"OTQ2"
_STATE = struct.Struct(">qi16s")
_STATE_MAGIC_1 = b"OTQ1"
_STATE_1 = struct.Struct(">qi")
_FRAME_MAGIC = b"OTF1"
_FRAME = struct.Struct(">4sII")  # magic, body length in bytes, CRC-32C of the body
_BATCH = struct.Struct(">qqI")  # base offset, term, entry count
_LENGTH = struct.Struct(">I")
FRAME_HEAD_BYTES = _FRAME.size


def encode_state(state: HardState) -> bytes:
    vote = -1 if state.voted_for is None else state.voted_for
    body = _STATE.pack(state.term, vote, state.voted_directory.bytes)
    return _STATE_MAGIC + _LENGTH.pack(crc32c(body)) + body


def decode_state(content: bytes) -> HardState | None:
    """Return what a quorum-state says, None if it is not one."""
    magic, body = content[:4], content[8:]
    if content[4:8] != _LENGTH.pack(crc32c(body)):
        return None
    if magic == _STATE_MAGIC and len(body) == _STATE.size:
        term, vote, directory = _STATE.unpack(body)
        return HardState(term, None if vote < 0 else vote, UUID(bytes=directory))
    if magic == _STATE_MAGIC_1 and len(body) == _STATE_1.size:
        term, vote = _STATE_1.unpack(body)
        return HardState(term, None if vote < 0 else vote)
    return None


def mended_state(content: bytes) -> bytes:
    """Return a quorum-state with one flipped bit put right; what cannot be comes back as it is."""
    is_old = len(content) == 8 + _STATE_1.size
    return mended_file(content, _STATE_MAGIC_1 if is_old else _STATE_MAGIC)


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


def has_frame_after(content: bytes, at: int) -> bool:
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


def mended_frames(content: bytes) -> bytes:
    """Return a log's bytes with each flipped bit put right that is alone in its frame."""
    at = 0
    while at < len(content):
        body = frame_at(content, at)
        if body is None:
            frame = _mended_frame(content, at)
            if frame is None:
                break
            content = content[:at] + frame + content[at + len(frame) :]
            body = frame_at(content, at)
            assert body is not None, "a mended frame is whole"
        at += _FRAME.size + len(body)
    return content


def _mended_frame(content: bytes, at: int) -> bytes | None:
    """Return the frame at byte `at` if one bit of it is wrong, None if more is."""
    if len(content) - at < _FRAME.size:
        return None
    magic, size_bytes, checksum = _FRAME.unpack_from(content, at)
    start = at + _FRAME.size
    is_magic_off = (int.from_bytes(magic) ^ int.from_bytes(_FRAME_MAGIC)).bit_count()
    if is_magic_off > 1:
        return None
    if not is_magic_off:
        for bit in range(32):  # Of the length: with another one the checksum is not that.
            body = content[start : start + (size_bytes ^ 1 << bit)]
            if len(body) == size_bytes ^ 1 << bit and crc32c(body) == checksum:
                return _FRAME.pack(_FRAME_MAGIC, len(body), checksum) + body
    body = content[start : start + size_bytes]
    whole = None if len(body) < size_bytes else mended(body, checksum)
    if whole is None or (is_magic_off and crc32c(body) != checksum):
        return None
    return _FRAME.pack(_FRAME_MAGIC, size_bytes, crc32c(whole)) + whole
