"""Durations as people write them."""

import pytest

from control_plane.domain.durations import parse_ms, text_from_ms
from control_plane.domain.errors import Invalid


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("86400000", 86_400_000),
        ("250ms", 250),
        ("30s", 30_000),
        ("90 m", 5_400_000),
        ("36h", 129_600_000),
        ("10d", 864_000_000),
        ("1 day", 86_400_000),
        ("2 hours", 7_200_000),
        (" 5D ", 432_000_000),
    ],
)
def test_read(text: str, duration_ms: int) -> None:
    assert parse_ms(text) == duration_ms


@pytest.mark.parametrize("text", ["", "0", "0h", "-1h", "1w", "1.5h", "h", "1hh", "disable", "١h"])
def test_not_read(text: str) -> None:
    with pytest.raises(Invalid, match="not a duration"):
        parse_ms(text)


@pytest.mark.parametrize("text", ["10d", "36h", "90m", "30s", "250ms"])
def test_written_as_read(text: str) -> None:
    assert text_from_ms(parse_ms(text)) == text
