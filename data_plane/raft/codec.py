"""Messages of the quorum as bytes and back.

A type byte, a version byte, the cluster id, sender, receiver, term, then the fields in the order
of their declaration. Integers are int64, truth values one byte, strings and bytes have a uint32
length, a voter is an int32 id and 16 bytes, batches are those of entries.log. Big-endian.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Final
from uuid import UUID

from data_plane.raft.frames import decode_batches, encode_batches
from data_plane.raft.messages import (
    Announce,
    Answer,
    Append,
    AppendReply,
    Ask,
    LeaderHint,
    Message,
    SnapshotChunk,
    SnapshotReply,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from data_plane.raft.voters import VoterKey

VERSIONS: Final = range(1)  # read and written here; peers/quorum_link.py finds the common ones
TYPES: Final[tuple[type[Message], ...]] = (  # The place is the number on the wire.
    VoteRequest,
    VoteReply,
    Append,
    AppendReply,
    SnapshotChunk,
    SnapshotReply,
    TimeoutNow,
    Announce,
    LeaderHint,
    Ask,
    Answer,
)
_INT = struct.Struct(">q")
_SIZE = struct.Struct(">I")
_VOTER = struct.Struct(">i16s")


class BadMessage(Exception):
    """These bytes are no message of this version."""


def encode_message(message: Message, version: int = VERSIONS.start) -> bytes:
    """version: one that the receiver reads."""
    number = TYPES.index(type(message))
    parts = [bytes((number, version))]
    for name, write, _ in _layout_of(number):
        parts.append(write(getattr(message, name)))
    return b"".join(parts)


def decode_message(content: bytes | memoryview) -> Message:
    """Raises BadMessage for anything that `encode_message` would not write."""
    content = bytes(content)
    if len(content) < 2:
        raise BadMessage("cut off")
    if content[1] not in VERSIONS:
        raise BadMessage(
            f"version {content[1]} of the quorum's messages, and this software reads "
            f"{VERSIONS.start} to {VERSIONS[-1]}"
        )
    if content[0] >= len(TYPES):
        raise BadMessage(f"type {content[0]} of the quorum's messages, which nobody knows here")
    kind, at = TYPES[content[0]], 2
    found: dict[str, Any] = {}
    try:
        for name, _, read in _layout_of(content[0]):
            found[name], at = read(content, at)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise BadMessage(f"{kind.__name__}: {error}") from error
    if at != len(content):
        raise BadMessage(f"{kind.__name__}: {len(content) - at} bytes too many")
    return kind(**found)


Write = Callable[[Any], bytes]
Read = Callable[[bytes, int], tuple[Any, int]]


@cache
def _layout_of(number: int) -> tuple[tuple[str, Write, Read], ...]:
    return tuple((field.name, *_CODECS[field.type]) for field in fields(TYPES[number]))


def _write_bytes(value: bytes) -> bytes:
    return _SIZE.pack(len(value)) + value


def _read_bytes(content: bytes, at: int) -> tuple[bytes, int]:
    (size_bytes,) = _SIZE.unpack_from(content, at)
    start = at + _SIZE.size
    if size_bytes > len(content) - start:
        raise ValueError("cut off")
    return content[start : start + size_bytes], start + size_bytes


def _read_int(content: bytes, at: int) -> tuple[int, int]:
    return _INT.unpack_from(content, at)[0], at + _INT.size


def _read_bool(content: bytes, at: int) -> tuple[bool, int]:
    if content[at : at + 1] not in (b"\0", b"\1"):
        raise ValueError("not a truth value")
    return content[at] == 1, at + 1


def _read_str(content: bytes, at: int) -> tuple[str, int]:
    value, at = _read_bytes(content, at)
    return value.decode(), at


def _write_voter(key: VoterKey) -> bytes:
    return _VOTER.pack(key.id, key.directory_id.bytes)


def _read_voter(content: bytes, at: int) -> tuple[VoterKey, int]:
    voter_id, directory_id = _VOTER.unpack_from(content, at)
    return VoterKey(voter_id, UUID(bytes=directory_id)), at + _VOTER.size


def _read_batches(content: bytes, at: int) -> tuple[Sequence[Any], int]:
    body, at = _read_bytes(content, at)
    return tuple(decode_batches(memoryview(body))), at


_CODECS: Final[dict[Any, tuple[Write, Read]]] = {
    int: (_INT.pack, _read_int),
    bool: (lambda value: b"\1" if value else b"\0", _read_bool),
    str: (lambda value: _write_bytes(value.encode()), _read_str),
    bytes: (_write_bytes, _read_bytes),
    VoterKey: (_write_voter, _read_voter),
    Append.__dataclass_fields__["batches"].type: (
        lambda value: _write_bytes(encode_batches(value)),
        _read_batches,
    ),
}
