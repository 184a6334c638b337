"""Every error code in a response, wherever it stands, held against what its API may say."""

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

from data_plane.protocol.answers import CODES

M = TypeVar("M")


def codes_of(message: Any) -> Iterator[int]:
    """The values of all fields that end in error_code, rows within rows included."""
    if isinstance(message, (list, tuple)):
        for row in message:
            yield from codes_of(row)
    elif dataclasses.is_dataclass(message):
        for field in dataclasses.fields(message):
            value = getattr(message, field.name)
            if field.name.endswith("error_code"):
                yield value
            else:
                yield from codes_of(value)


def check_codes(api_key: int, response: object) -> None:
    """Fail on a code that clients of this API do not know."""
    known = CODES.get(api_key)
    if known is None:
        return
    foreign = sorted({code for code in codes_of(response) if code not in known})
    assert not foreign, f"{type(response).__name__} may not tell {foreign}: {response}"


def checked(api_key: int, response: M) -> M:
    """The response, its codes checked."""
    check_codes(api_key, response)
    return response
