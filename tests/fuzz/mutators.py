"""Ways to damage a frame so that what reads it is tempted (reliability.md F1)."""

import random
import struct
from collections.abc import Sequence

from data_plane.protocol.headers import read_request_header
from data_plane.protocol.primitives import DecodeError

INT32S = (-1, 0, 1, 2, 0x7F, 0x7FFF, 0x7FFF_FFFF, -0x8000_0000, 0x0100_0000, 1_000_000)
INT16S = (-1, 0, 1, 0x7FFF, -0x8000)
VARINTS = (
    b"\x00",
    b"\x01",
    b"\x02",
    b"\x7f",
    b"\x80\x01",
    b"\xff\x7f",
    b"\x80\x80\x40",
    b"\xff\xff\xff\xff\x07",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
)
PASSES = (1, 1, 1, 2, 4)
HEADER_KEPT = 0.8  # of all frames: else most would be refused by their version
GROWTH_BYTES_MAX = 4096  # a piece repeated within itself


def mutated(rng: random.Random, frame: bytes, others: Sequence[bytes]) -> bytes:
    """Return `frame`, which has no size prefix, damaged in a few places, mostly in its body."""
    kept = header_bytes(frame) if rng.random() < HEADER_KEPT else 0
    out = bytearray(frame[kept:])
    for _ in range(rng.choice(PASSES)):
        rng.choice(MUTATORS)(rng, out, others)
    return frame[:kept] + bytes(out)


def header_bytes(frame: bytes) -> int:
    try:
        return read_request_header(frame)[1]
    except DecodeError:
        return 0


def flip(rng: random.Random, out: bytearray, _: Sequence[bytes]) -> None:
    if out:
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)


def set_int32(rng: random.Random, out: bytearray, _: Sequence[bytes]) -> None:
    """A length, a count, a size, a session id."""
    if len(out) >= 4:
        struct.pack_into(">i", out, rng.randrange(len(out) - 3), rng.choice(INT32S))


def set_int16(rng: random.Random, out: bytearray, _: Sequence[bytes]) -> None:
    """The length of a string, an API key, a version."""
    if len(out) >= 2:
        struct.pack_into(">h", out, rng.randrange(len(out) - 1), rng.choice(INT16S))


def set_varint(rng: random.Random, out: bytearray, _: Sequence[bytes]) -> None:
    """A compact length or count, or the number of tags."""
    at = rng.randrange(len(out) + 1)
    out[at : at + 1] = rng.choice(VARINTS)


def add_tags(rng: random.Random, out: bytearray, _: Sequence[bytes]) -> None:
    """Many tags nobody knows, small ones, or one that claims much."""
    at = rng.randrange(len(out) + 1)
    count = rng.choice((1, 3, 100))
    tags = b"".join(bytes([number & 0x7F, 1, 0]) for number in range(count))
    out[at : at + 1] = bytes([count]) + rng.choice((tags, b"\x00" + rng.choice(VARINTS)))


def cut(rng: random.Random, out: bytearray, _: Sequence[bytes]) -> None:
    del out[rng.randrange(len(out) + 1) :]


def drop(rng: random.Random, out: bytearray, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(out) + 1)
    del out[at : at + rng.randint(1, 8)]


def splice(rng: random.Random, out: bytearray, others: Sequence[bytes]) -> None:
    """The end of another request in the place of this one's."""
    other = rng.choice(others)
    out[rng.randrange(len(out) + 1) :] = other[rng.randrange(len(other) + 1) :]


def nest(rng: random.Random, out: bytearray, _: Sequence[bytes]) -> None:
    """A piece again and again within itself: arrays in arrays, as deep as they come."""
    start = rng.randrange(len(out) + 1)
    piece = bytes(out[start : start + rng.randint(1, 32)])
    times = rng.choice((2, 8, 64))
    if len(piece) * times <= GROWTH_BYTES_MAX:
        out[start:start] = piece * times


def change_version(rng: random.Random, out: bytearray, _: Sequence[bytes]) -> None:
    """The same bytes read as another version, or as another request."""
    if len(out) >= 4:
        out[rng.choice((1, 3))] = rng.randrange(100)


MUTATORS = (
    flip,
    flip,
    set_int32,
    set_int16,
    set_varint,
    set_varint,
    add_tags,
    cut,
    drop,
    splice,
    nest,
    change_version,
)
