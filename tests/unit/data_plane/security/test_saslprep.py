"""The examples of RFC 4013 3, and what must be refused."""

import pytest

from data_plane.security.saslprep import Unprepared, saslprep


@pytest.mark.semantics("86d")
@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("", ""),
        ("\u05d0\u05d1", "\u05d0\u05d1"),
    ],
)
def test_what_is_prepared(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u06271", "\ufffd", "\u0221", "\ue000"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(Unprepared):
        saslprep(text)
