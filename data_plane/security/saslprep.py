"""SASLprep: user names and passwords as SASL compares them (RFC 4013, a profile of RFC 3454)."""

import stringprep
import unicodedata
from collections.abc import Callable

_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class Unprepared(ValueError):
    """The text holds characters that no prepared string may have."""


def saslprep(text: str) -> str:
    """Return `text` prepared as a stored string, unassigned code points refused.

    Raises Unprepared.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in text
        if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for char in prepared:
        if stringprep.in_table_a1(char) or any(table(char) for table in _PROHIBITED):
            raise Unprepared("prohibited or unassigned character")
    _check_directions(prepared)
    return prepared


def _check_directions(text: str) -> None:
    """Right-to-left text is all so, and begins and ends so (RFC 3454 6)."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    if any(map(stringprep.in_table_d2, text)):
        raise Unprepared("mixed directions of writing")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise Unprepared("right-to-left text must begin and end so")
