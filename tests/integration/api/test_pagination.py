"""Lists in parts, both ways; a walk sees everything once, also while the list grows."""

import httpx
import pytest

from tests.integration.api.conftest import World

COUNT = 7


@pytest.fixture
def names(world: World) -> list[str]:
    made = [f"paged-{number}" for number in range(COUNT)]
    for name in made:
        assert world.anna.post("/apps", json={"name": name}).status_code == 201
    return ["flights", *made]


def walk(client: httpx.Client, first: str, *, on_page: object = None) -> list[str]:
    found, header = list[str](), first
    while header:
        page = client.get("/apps", headers={"Range": header})
        assert page.status_code in {200, 206}
        found += [app["name"] for app in page.json()]
        header = page.headers.get("next-range", "")
        assert ("content-range" in page.headers) == (page.status_code == 206)
        if callable(on_page):
            on_page()
    return found


def test_range_walks_the_list(world: World, names: list[str]) -> None:
    assert walk(world.anna, "id ..; max=3") == names
    assert walk(world.anna, "id ..; max=3, order=desc") == names[::-1]
    assert walk(world.anna, "name ..") == names


def test_what_is_inserted_meanwhile_comes_at_the_end(world: World, names: list[str]) -> None:
    extra = iter(["late-1", "late-2"])

    def insert() -> None:
        if name := next(extra, None):
            world.anna.post("/apps", json={"name": name})

    assert walk(world.anna, "id ..; max=3", on_page=insert) == [*names, "late-1", "late-2"]


def test_cursors_walk_the_list(world: World, names: list[str]) -> None:
    found, path = list[str](), "/apps?limit=3"
    while path:
        page = world.anna.get(path)
        assert page.status_code == 200
        found += [app["name"] for app in page.json()]
        path = page.links.get("next", {}).get("url", "")
    assert found == names


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"Range": "nonsense"}, "", 416),
        ({"Range": "id ]not-an-id..; max=3"}, "", 416),
        ({"Range": "id ..; max=0"}, "", 422),
        ({"Range": "id ..; max=1001"}, "", 422),
        ({"Range": "bytes=0-10"}, "", 200),
        ({}, "?limit=0", 422),
        ({}, "?limit=many", 422),
        ({}, "?cursor=x", 416),
    ],
)
def test_bad_ranges(world: World, headers: dict[str, str], query: str, status: int) -> None:
    assert world.anna.get(f"/apps{query}", headers=headers).status_code == status
