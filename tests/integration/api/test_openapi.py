"""The OpenAPI document: served, complete, and honest about what is answered."""

from tests.integration.api.conftest import World


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
