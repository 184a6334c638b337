"""Range headers, read strictly."""

import uuid

import pytest

from control_plane.http.errors import ApiError
from control_plane.http.pagination import LIMIT_DEFAULT, Page, page_from_range

ID = uuid.UUID("01a20457-77e8-7659-9750-89787b82c419")


@pytest.mark.parametrize(
    ("header", "page"),
    [
        ("id ..", Page(includes_start=True, by_range=True)),
        ("id ..; max=10", Page(includes_start=True, limit=10, by_range=True)),
        ("name ..; order=desc", Page(includes_start=True, is_descending=True, by_range=True)),
        ("version ..; max=1, order=desc", Page(None, True, 1, True, True)),
        ("version ..; order=desc,max=1", Page(None, True, 1, True, True)),
        (f"id ]{ID}..", Page(ID, limit=LIMIT_DEFAULT, by_range=True)),
        (f"id {ID}..;max=5", Page(ID, True, 5, by_range=True)),
    ],
)
def test_ranges_clients_send(header: str, page: Page) -> None:
    assert page_from_range(header) == page


@pytest.mark.parametrize(
    "header", ["id", "..", "id ]x..", "ID ..", "id ..; max=ten", "id ..;max=-1"]
)
def test_what_cannot_be_read_is_refused(header: str) -> None:
    with pytest.raises(ApiError) as refused:
        page_from_range(header)
    assert refused.value.status in {416, 422}
