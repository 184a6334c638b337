"""Attachments to more apps, and the config vars of each."""

import uuid

import pytest

from control_plane.domain.errors import Conflict, Gone, Invalid
from control_plane.models import Addon, App, Attachment, ConfigVar
from control_plane.services import attachments, config_vars
from tests.factories.control_plane import World


def attach(world: World, addon_id: uuid.UUID, app: App, name: str | None = None) -> Attachment:
    with world.sessions.begin() as session:
        return attachments.create(
            session,
            session.get_one(Addon, addon_id),
            session.get_one(App, app.id),
            name=name,
            now=world.now,
            rng=world.rng,
            sealer=world.sealer,
        )


def values(world: World, app_id: uuid.UUID) -> dict[str, str]:
    with world.sessions() as session:
        return config_vars.all_of(session, session.get_one(App, app_id), sealer=world.sealer)


def second_app(world: World, addon: Addon) -> App:
    with world.sessions() as session:
        account = session.get_one(App, addon.app_id).account
    return world.add_app(account, "arrivals")


def test_another_app_shares_cluster_and_credentials(world: World) -> None:
    addon = world.provisioned()
    app = second_app(world, addon)
    attach(world, addon.id, app, "SHARED")
    first, second = values(world, addon.app_id), values(world, app.id)
    assert second == {name.replace("KAFKA", "SHARED", 1): text for name, text in first.items()}


def test_an_attachment_made_too_early_gets_its_vars_with_the_rest(world: World) -> None:
    world.register_node()
    addon, operation = world.add_addon(world.add_app(world.add_account()))
    app = second_app(world, addon)
    attach(world, addon.id, app)
    assert values(world, app.id) == {}
    world.settle(operation.id)
    assert values(world, app.id) == values(world, addon.app_id)


def test_detaching_takes_the_vars_along(world: World) -> None:
    addon = world.provisioned()
    app = second_app(world, addon)
    attachment = attach(world, addon.id, app)
    with world.sessions.begin() as session:
        found = session.get_one(Attachment, attachment.id)
        attachments.destroy(session, found, now=world.now)
    assert values(world, app.id) == {}
    assert len(values(world, addon.app_id)) == 4


def test_the_last_link_to_the_payer_stays(world: World) -> None:
    addon = world.provisioned()
    with world.sessions.begin() as session:
        (only,) = attachments.of_addon(session, session.get_one(Addon, addon.id))
        with pytest.raises(Invalid, match="destroy the add-on instead"):
            attachments.destroy(session, only, now=world.now)


def test_names_on_an_app_are_unique(world: World) -> None:
    addon = world.provisioned()
    app = second_app(world, addon)
    attach(world, addon.id, app, "PRIMARY")
    with pytest.raises(Conflict, match="already has an attachment named PRIMARY"):
        attach(world, addon.id, app, "PRIMARY")
    assert attach(world, addon.id, app).name == "KAFKA"
    assert attach(world, addon.id, app).name.startswith("KAFKA_")


def test_what_is_being_destroyed_is_not_attached(world: World) -> None:
    addon = world.provisioned()
    app = second_app(world, addon)
    world.destroy(addon.id)
    with pytest.raises(Gone):
        attach(world, addon.id, app)


def test_an_addons_vars_are_not_the_users_to_change(world: World) -> None:
    addon = world.provisioned()
    for change in ("other", None):
        with world.sessions() as session, pytest.raises(Invalid, match="belongs to an add-on"):
            config_vars.patch(
                session,
                session.get_one(App, addon.app_id),
                {"KAFKA_URL": change},
                sealer=world.sealer,
                now=world.now,
            )


def test_users_vars_are_set_changed_and_removed(world: World) -> None:
    app = world.add_app(world.add_account())

    def patch(**changes: str | None) -> dict[str, str]:
        with world.sessions.begin() as session:
            here = session.get_one(App, app.id)
            return config_vars.patch(session, here, changes, sealer=world.sealer, now=world.now)

    assert patch(A="1", B="ä") == {"A": "1", "B": "ä"}
    assert patch(A="2", B=None, C=None) == {"A": "2"}
    for wrong in ({"1A": "x"}, {"A B": "x"}, {"A": "x" * 70_000}):
        with pytest.raises(Invalid):
            patch(**wrong)
    assert values(world, app.id) == {"A": "2"}
    with world.sessions() as session:
        (row,) = session.query(ConfigVar)
        assert row.sealed_value != b"2"
