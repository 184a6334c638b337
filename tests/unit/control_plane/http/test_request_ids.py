"""Request ids: a client's own is kept, anything else is replaced."""

import uuid

import pytest

from control_plane.http.request_ids import request_id_from

# Fixed, because they name test cases, which every worker must collect alike.
ONE = "0e9a5a4e-7f0c-4a35-9f9e-3f1c2d7b8a01"
TWO = "0e9a5a4e-7f0c-4a35-9f9e-3f1c2d7b8a02"


@pytest.mark.parametrize(
    "header", [ONE, f"{ONE},{TWO}", f" {ONE} ", f"nonsense,{ONE}", ONE.upper()]
)
def test_the_first_uuid_is_taken(header: str) -> None:
    assert request_id_from(header) == ONE


@pytest.mark.parametrize("header", [None, "", "nonsense", "," * 7000, "\r\nSet-Cookie: x"])
def test_anything_else_is_replaced(header: str | None) -> None:
    made = request_id_from(header)
    assert uuid.UUID(made)
    assert made != request_id_from(header)
