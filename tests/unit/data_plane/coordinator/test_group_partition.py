"""Which partition a group lives in: values computed by Java."""

import pytest

from data_plane.coordinator.group_partition import java_hash, partition_for

INT32_MIN = -(1 << 31)


@pytest.mark.semantics("63a")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 97),
        ("hello", 99162322),
        ("Hello, World!", 1498789909),
        ("polygenelubricants", INT32_MIN),  # the well-known string without an absolute value
        ("console-consumer-12345", None),
        ("grüße", None),
        ("\N{GRINNING FACE}", 0xD83D * 31 + 0xDE00),  # two UTF-16 units, not one code point
    ],
)
def test_java_hash(text: str, expected: int | None) -> None:
    """Known values of String.hashCode; where none is given, the definition worked out slowly."""
    if expected is None:
        units = text.encode("utf-16-be")
        numbers = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
        total = sum(u * 31 ** (len(numbers) - 1 - at) for at, u in enumerate(numbers)) % (1 << 32)
        expected = total - (1 << 32) if total >= 1 << 31 else total
    assert java_hash(text) == expected


def test_a_lone_surrogate_has_a_hash() -> None:
    assert java_hash("\ud83d") == 0xD83D


@pytest.mark.semantics("63a")
def test_partition_is_within_range_even_for_the_hash_without_an_absolute_value() -> None:
    assert partition_for("polygenelubricants", 50) == 0
    assert partition_for("hello", 50) == 99162322 % 50
    negative = "flights-consumer"
    assert java_hash(negative) < 0
    assert partition_for(negative, 50) == -java_hash(negative) % 50
