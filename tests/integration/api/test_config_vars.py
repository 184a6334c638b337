"""Config vars: set and removed by the user; an add-on's own are refused."""

import pytest

from control_plane.models import App, ConfigVar
from control_plane.services import attachments, config_vars
from control_plane.services.sealing import sealer_from
from tests.factories import rows as make
from tests.integration.api.conftest import World

PATH = "/apps/flights/config-vars"


@pytest.fixture
def published(world: World) -> World:
    values = {
        "url": "kafka+ssl://127.0.0.1:20001",
        "trusted_cert": "CA",
        "client_cert": "CERT",
        "client_cert_key": "KEY",
    }
    with world.service.sessions.begin() as session:
        app = session.query(App).one()
        (link,) = attachments.of_app(session, app)
        sealer = sealer_from(world.service.settings)
        config_vars.publish(session, link, values, sealer=sealer, now=make.now())
    return world


def test_values_are_read_set_and_removed(published: World) -> None:
    anna = published.anna
    read = anna.get(PATH)
    assert read.headers["cache-control"] == "no-store"
    assert read.json()["KAFKA_URL"] == "kafka+ssl://127.0.0.1:20001"
    assert anna.patch(PATH, json={"COLOUR": "green"}).json()["COLOUR"] == "green"
    assert "COLOUR" not in anna.patch(PATH, json={"COLOUR": None}).json()


@pytest.mark.parametrize("value", ["other", None])
def test_an_addons_own_vars_are_refused(published: World, value: str | None) -> None:
    refused = published.anna.patch(PATH, json={"KAFKA_URL": value})
    assert refused.status_code == 422
    assert refused.json()["details"][0]["field"] == "KAFKA_URL"
    assert published.anna.get(PATH).json()["KAFKA_URL"] == "kafka+ssl://127.0.0.1:20001"


@pytest.mark.parametrize(
    "changes", [{"1BAD": "x"}, {"A-B": "x"}, {"A": 1}, {"A": "\x00"}, ["A"], {"A": "x" * 70_000}]
)
def test_bad_changes_change_nothing(published: World, changes: object) -> None:
    before = published.anna.get(PATH).json()
    assert published.anna.patch(PATH, json=changes).status_code == 422
    assert published.anna.get(PATH).json() == before


def test_values_are_sealed_at_rest(published: World) -> None:
    published.anna.patch(PATH, json={"SECRET": "hunter2"})
    with published.service.sessions() as session:
        assert all(b"hunter2" not in var.sealed_value for var in session.query(ConfigVar))
