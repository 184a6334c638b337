"""Ints, varints, strings and tag sections over bytes-like views (KIP-482).

Readers take (view, at) and return (value, next at). They raise DecodeError, IndexError or
struct.error; whoever compiles or calls them turns the last two into DecodeError at the outermost
call, so that no check is paid twice on the good path.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

Buffer = bytes | bytearray | memoryview

INT16 = struct.Struct(">h")
INT32 = struct.Struct(">i")
INT64 = struct.Struct(">q")
UINT32 = struct.Struct(">I")

UVARINT_MAX = 0xFFFF_FFFF  # Lengths, counts and tags are 32-bit: at most five bytes.


class DecodeError(ValueError):
    """Bytes that are not the message they claim to be; nothing of them may be used."""


class EncodeError(ValueError):
    """A value that the message at this version cannot carry: a fault of the caller."""


def _uvarint_bytes(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# Nearly every length is among these.
UVARINTS = tuple(_uvarint_bytes(value) for value in range(1024))


def uvarint(value: int) -> bytes:
    """Encode an unsigned 32-bit varint, least significant group first."""
    if 0 <= value < 1024:
        return UVARINTS[value]
    if not 0 <= value <= UVARINT_MAX:
        raise EncodeError(f"{value} is not an unsigned 32-bit number")
    return _uvarint_bytes(value)


def read_uvarint(view: Buffer, at: int) -> tuple[int, int]:
    """Read an unsigned varint of at most 32 bits."""
    byte = view[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value = byte & 0x7F
    for shift in (7, 14, 21, 28):
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > UVARINT_MAX:
                break
            return value, at
    raise DecodeError("a varint is longer than 32 bits")


def varint(value: int) -> bytes:
    """Encode a signed (zig-zag) varint of at most 64 bits, as record bodies use it."""
    zigzag = (value << 1) ^ (value >> 63)
    return UVARINTS[zigzag] if zigzag < 1024 else _uvarint_bytes(zigzag)


def read_varint(view: Buffer, at: int) -> tuple[int, int]:
    """Read a signed varint of at most 32 bits."""
    value, at = read_uvarint(view, at)
    return (value >> 1) ^ -(value & 1), at


def read_varlong(view: Buffer, at: int) -> tuple[int, int]:
    """Read a signed varint of at most 64 bits."""
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if shift > 63:
            break
    raise DecodeError("a varlong is longer than 64 bits")


def skip_tags(view: Buffer, at: int) -> int:
    """Step over a tag section whose tags we do not know (KIP-482), keeping nothing of it."""
    count, at = read_uvarint(view, at)
    for _ in range(count):
        _, at = read_uvarint(view, at)
        size, at = read_uvarint(view, at)
        at += size
        if at > len(view):
            raise DecodeError("a tagged field runs past the end")
    return at


def int_array(code: str, values: Sequence[int]) -> bytes:
    """Encode the elements of an array of fixed-size numbers; `code` is the struct character."""
    return struct.pack(f">{len(values)}{code}", *values)


_COMPACT_INT32S = tuple(struct.Struct(f">B{count}i").pack for count in range(64))


def compact_int32s(values: Sequence[int]) -> bytes:
    """Encode a compact array of int32, the shape of every replica list."""
    count = len(values)
    if count < 64:
        return _COMPACT_INT32S[count](count + 1, *values)
    return uvarint(count + 1) + int_array("i", values)


@lru_cache(maxsize=1024)
def uuid_from_bytes(data: bytes) -> UUID:
    """Return the UUID of 16 bytes. One topic's id is met again and again in a row."""
    return UUID(bytes=data)
