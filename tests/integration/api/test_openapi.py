"""The OpenAPI document: served, complete, and honest about what is answered."""

import re
from collections.abc import Iterator
from typing import Any

import httpx

from control_plane.http.errors import ERRORS
from tests.integration.api.conftest import World


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (method, path with its parameters filled in, operation) of the public surface."""
    for path, methods in document["paths"].items():
        if not path.startswith("/internal/"):
            for method, operation in methods.items():
                yield method, re.sub(r"{[a-z]+}", "x", path), operation


def test_the_document_is_served_and_names_every_route(world: World) -> None:
    document = world.anna.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {
        "/accounts",
        "/oauth/authorizations",
        "/apps/{app}/addons",
        "/actions/addons/resolve",
        "/addon-attachments",
        "/apps/{app}/config-vars",
        "/addon-services/{service}/plans",
        "/data/kafka/v0/clusters/{cluster}/wait_status",
        "/data/kafka/v0/clusters/{cluster}/topics/{topic}",
        "/operations/{operation}",
        "/addons/{addon}/usage",
        "/nodes",
        "/internal/nodes/{node}/spec",
        "/healthz",
    } <= document["paths"].keys()
    assert "/sign-in" not in document["paths"]


def test_plans_are_listed_with_price_and_limits(world: World) -> None:
    (service,) = world.anna.get("/addon-services").json()
    assert service["name"] == "ottla-kafka"
    plans = world.anna.get("/addon-services/ottla-kafka/plans").json()
    mini = plans[0]
    assert mini["name"] == "ottla-kafka:mini-0"
    assert mini["default"] is True
    assert mini["price"]["cents"] == 500
    assert mini["limits"]["topics_max"] == 100
    assert world.anna.get(f"/addon-services/{service['id']}/plans/mini-0").json() == mini
    assert world.anna.get("/addon-services/other/plans").status_code == 404


def test_browsers_get_a_page_for_what_is_absent(world: World) -> None:
    page = world.anna.get("/no/such/page", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")


def test_every_refusal_is_documented_as_it_is_given(world: World) -> None:
    document = world.anna.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["Refusal"]["properties"]["id"]["enum"] == [*ERRORS]
    assert (
        "HTTPValidationError" not in schemas
    )  # what the framework would document, and no one gets
    with httpx.Client(base_url=world.service.url) as nobody:
        for method, path, operation in operations(document):
            assert "default" in operation["responses"], path
            needs_token = operation.get("security")
            answer = nobody.request(method, path, json={})
            assert (answer.status_code == 401) == bool(needs_token), f"{method} {path}: {answer}"
            if needs_token:
                assert answer.json().keys() == schemas["Refusal"]["properties"].keys()
