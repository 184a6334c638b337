"""A tenant never learns that another exists: foreign ids answer exactly as absent ones.

Method: every route of the OpenAPI document that takes an id is asked by Bert, once with Anna's ids
and names, once with ids and names that nobody has; status and body must not differ.
"""

import json
import re
import uuid
from typing import Any

import pytest

from control_plane.app import create_app
from control_plane.models import Node, Operation
from tests.integration.api.conftest import World

BODIES: dict[str, Any] = {
    "/apps/{app}/addons": {"plan": {"name": "ottla-kafka:mini-0"}},
    "/apps/{app}/config-vars": {"NAME": "value"},
    "/data/kafka/v0/clusters/{cluster}/topics": {"topic": {"name": "mine"}},
    "/data/kafka/v0/clusters/{cluster}/topics/{topic}": {"topic": {"retention_time_ms": 3600000}},
}
ROUTES = [
    (method.upper(), path)
    for path, operations in create_app().openapi()["paths"].items()
    for method in operations
    if "{" in path and not path.startswith(("/internal", "/addon-services"))
]


def test_the_routes_are_all_here() -> None:
    assert len(ROUTES) >= 20


def neutral(text: str, names: dict[str, str]) -> str:
    """Replace what was asked for, and the request's id, which differs by nature."""
    for name in sorted(names.values(), key=len, reverse=True):
        text = text.replace(name, "<name>")
    return re.sub(r'"request_id":"[^"]*"', '"request_id":""', text)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_foreign_is_absent(world: World, method: str, path: str) -> None:
    attachment = world.anna.get("/apps/flights/addon-attachments").json()[0]
    token = world.anna.get("/oauth/authorizations").json()[0]
    with world.service.sessions() as session:
        operation, node = session.query(Operation.id).first(), session.query(Node).first()
        assert operation is not None
        assert node is not None
        node_id, node_name = str(node.id), node.name
    theirs_by_id = {
        "app": world.app_id,
        "addon": world.addon_id,
        "cluster": world.addon_id,
        "attachment": attachment["id"],
        "authorization": token["id"],
        "operation": str(operation[0]),
        "topic": "departures",
        "node": node_id,
    }
    theirs_by_name = {**theirs_by_id, "app": "flights", "addon": "kafka-calm-1000"}
    theirs_by_name |= {"cluster": "kafka-calm-1000", "attachment": "KAFKA", "node": node_name}
    absent = dict.fromkeys(theirs_by_id, "") | {
        name: str(uuid.uuid4()) if name != "topic" else "departures" for name in theirs_by_id
    }
    absent_by_name = {**absent, "app": "nobodys", "addon": "kafka-none-1"}
    absent_by_name |= {"cluster": "kafka-none-1", "attachment": "NONE", "node": "node-none"}
    refusal = (
        403 if path.startswith("/nodes/") else 404
    )  # Operators' routes refuse before they look.
    for theirs, nobodys in ((theirs_by_id, absent), (theirs_by_name, absent_by_name)):
        answers = [
            world.bert.request(method, path.format(**names), json=BODIES.get(path))
            for names in (theirs, nobodys)
        ]
        assert answers[0].status_code == answers[1].status_code == refusal
        assert neutral(answers[0].text, theirs) == neutral(answers[1].text, nobodys)
    # Nothing of it changed anything of Anna's.
    assert world.anna.get(f"/addons/{world.addon_id}").json()["state"] == "provisioned"


@pytest.mark.parametrize("field", ["addon", "addon_attachment"])
def test_resolvers_find_nothing_of_others(world: World, field: str) -> None:
    path = f"/actions/{'addons' if field == 'addon' else 'addon-attachments'}/resolve"
    bodies = []
    for text in (world.addon_id, "kafka-calm-1000", "flights::KAFKA", str(uuid.uuid4()), "none"):
        refused = world.bert.post(path, json={field: text})
        assert refused.status_code == 404
        bodies.append(neutral(refused.text, {"asked": text}))
    assert len(set(bodies)) == 1


def test_another_tenants_addon_cannot_be_attached(world: World) -> None:
    assert world.bert.post("/apps", json={"name": "berts-app"}).status_code == 201
    answers = [
        world.bert.post("/addon-attachments", json={"addon": {"name": addon}, "app": "berts-app"})
        for addon in (world.addon_id, str(uuid.uuid4()))
    ]
    assert answers[0].status_code == answers[1].status_code == 404
    assert json.loads(answers[0].text)["message"] == json.loads(answers[1].text)["message"]


def test_lists_show_only_ones_own(world: World) -> None:
    for path in ("/apps", "/addons", "/addon-attachments"):
        assert world.bert.get(path).json() == []
        assert len(world.anna.get(path).json()) == 1


def test_operator_routes_are_for_operators(world: World) -> None:
    assert world.anna.get("/nodes").status_code == 403
    assert world.anna.post("/nodes/tokens").status_code == 403
    with world.service.sessions() as session:
        node = session.query(Node).first()
        assert node is not None
        path = f"/nodes/{node.name}/replacement"
    assert world.anna.put(path).status_code == world.anna.get(path).status_code == 403
