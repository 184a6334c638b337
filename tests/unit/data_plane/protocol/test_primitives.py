"""Varints and tag sections at their edges."""

import struct

import pytest

from data_plane.protocol.primitives import (
    DecodeError,
    EncodeError,
    compact_int32s,
    read_uvarint,
    read_varint,
    read_varlong,
    skip_tags,
    uvarint,
    varint,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (1023, "ff07"),
        (1024, "8008"),
        (2**32 - 1, "ffffffff0f"),
    ],
)
def test_uvarint(value: int, text: str) -> None:
    assert uvarint(value).hex() == text
    assert read_uvarint(memoryview(b"\xee" + bytes.fromhex(text)), 1) == (value, 1 + len(text) // 2)


@pytest.mark.parametrize("value", [-1, 2**32])
def test_uvarint_refuses_what_is_no_uint32(value: int) -> None:
    with pytest.raises(EncodeError):
        uvarint(value)


@pytest.mark.parametrize("text", ["ffffffff1f", "ffffffffff01", "8080808080808001"])
def test_long_uvarint_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        read_uvarint(bytes.fromhex(text), 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "00"), (-1, "01"), (1, "02"), (-64, "7f"), (64, "8001"), (-(2**31), "ffffffff0f")],
)
def test_varint_is_zigzag(value: int, text: str) -> None:
    assert varint(value).hex() == text
    assert read_varint(bytes.fromhex(text), 0) == (value, len(text) // 2)


@pytest.mark.parametrize("value", [0, -1, 2**40, -(2**40), 2**63 - 1, -(2**63)])
def test_varlong_keeps_64_bits(value: int) -> None:
    encoded = varint(value)
    assert read_varlong(encoded, 0) == (value, len(encoded))


@pytest.mark.parametrize("text", ["ff" * 9 + "02", "80" * 10 + "01"])
def test_long_varlong_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        read_varlong(bytes.fromhex(text), 0)


@pytest.mark.semantics("8a")
def test_skip_tags_steps_over_what_it_does_not_know() -> None:
    section = bytes.fromhex("02 05 03 aabbcc 9601 00")
    assert skip_tags(b"\x99" + section + b"\x99", 1) == 1 + len(section)


@pytest.mark.parametrize("text", ["01", "0100", "010005aa", "0100ffffffff0f", "ffffffff0f"])
def test_skip_tags_never_leaves_the_view(text: str) -> None:
    with pytest.raises((DecodeError, IndexError)):
        skip_tags(bytes.fromhex(text), 0)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 200])
def test_compact_int32s(count: int) -> None:
    values = list(range(-5, count - 5))
    assert compact_int32s(values) == uvarint(count + 1) + struct.pack(f">{count}i", *values)
