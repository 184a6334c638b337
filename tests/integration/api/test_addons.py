"""Add-ons over REST: bought, read, refused, destroyed; the worker's part is not running here."""

import uuid

import httpx
import pytest

from control_plane.domain.states import AddonState
from control_plane.models import Addon
from tests.factories import rows as make
from tests.fakes.service import Service
from tests.integration.api.conftest import World


@pytest.fixture
def client(service: Service) -> httpx.Client:
    with service.sessions.begin() as session:
        tenant = make.tenant(session, "anna@example.test")
        make.app(session, tenant.account, "flights")
    return service.client(tenant.token)


def test_an_addon_is_accepted_and_provisioning(client: httpx.Client) -> None:
    with client:
        accepted = client.post(
            "/apps/flights/addons", json={"plan": {"name": "ottla-kafka:mini-0"}}
        )
        assert accepted.status_code == 202, accepted.text
        addon = accepted.json()
        assert addon["state"] == "provisioning"
        assert addon["plan"]["name"] == "ottla-kafka:mini-0"
        assert addon["plan"]["price"] == {
            "cents": 500,
            "unit": "month",
            "contract": False,
            "metered": False,
        }
        assert addon["operation"]["type"] == "provision_cluster"
        assert accepted.headers["location"] == f"/operations/{addon['operation']['id']}"
        for path in (f"/addons/{addon['id']}", f"/apps/flights/addons/{addon['name']}"):
            assert client.get(path).json()["id"] == addon["id"]
        assert [each["id"] for each in client.get("/apps/flights/addons").json()] == [addon["id"]]


def test_an_unknown_plan_is_named_with_those_there_are(client: httpx.Client) -> None:
    with client:
        refused = client.post("/apps/flights/addons", json={"plan": {"name": "ottla-kafka:huge"}})
        assert refused.status_code == 422
        body = refused.json()
        assert body["id"] == "invalid_params"
        assert "ottla-kafka:mini-0" in body["message"]
        assert body["details"][0]["field"] == "plan"


def test_a_failed_provisioning_says_why(world: World) -> None:
    with world.service.sessions.begin() as session:
        addon = session.get_one(Addon, uuid.UUID(world.addon_id))
        addon.state, addon.state_reason = AddonState.FAILED, "No node has room."
    body = world.anna.get(f"/addons/{world.addon_id}").json()
    assert body["state"] == "failed"
    assert body["reason"] == "No node has room."
    waited = world.anna.get(f"/data/kafka/v0/clusters/{world.addon_id}/wait_status")
    assert waited.status_code == 200
    assert waited.json()["error?"] is True
    assert "No node has room." in waited.json()["message"]


def test_destroying_twice_is_one_deprovisioning(world: World) -> None:
    path = f"/apps/flights/addons/{world.addon_id}"
    first, second = world.anna.delete(path), world.anna.delete(path)
    assert first.status_code == second.status_code == 202
    assert first.json()["state"] == "deprovisioning"
    assert first.headers["location"] == second.headers["location"]


@pytest.mark.parametrize(
    "text",
    ["KAFKA", "KAFKA_URL", "kafka-calm-1000", "flights::KAFKA", "ottla-kafka", "{addon_id}"],
)
def test_resolvers_take_every_name(world: World, text: str) -> None:
    text = text.format(addon_id=world.addon_id)
    for path, field in (("addons", "addon"), ("addon-attachments", "addon_attachment")):
        found = world.anna.post(f"/actions/{path}/resolve", json={"app": "flights", field: text})
        assert found.status_code == 200, found.text
        assert len(found.json()) == 1
    assert found.json()[0]["addon"]["id"] == world.addon_id
    assert found.json()[0]["config_vars"][0] == "KAFKA_URL"
