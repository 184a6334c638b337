"""Buying, finding and naming add-ons; apps around them."""

import threading

import pytest

from control_plane.domain.errors import Conflict, Gone, Invalid, NotFound
from control_plane.domain.states import AddonState
from control_plane.models import Account, Addon, App, Attachment, Cluster, ConfigVar, Operation
from control_plane.services import addons, apps, attachments, config_vars
from tests.factories.control_plane import SLUG, World


def test_of_two_with_one_name_one_is_made(world: World) -> None:
    """At the same instant, by two requests: one add-on, one cluster, one operation (C2)."""
    app = world.add_app(world.add_account())
    gate, outcomes = threading.Barrier(6), list[str]()

    def buy() -> None:
        gate.wait()
        try:
            world.add_addon(app, name="kafka-one")
            outcomes.append("made")
        except Conflict as refused:
            outcomes.append(refused.id)

    threads = [threading.Thread(target=buy) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 5 + ["made"]
    with world.sessions() as session:
        for model in (Addon, Attachment, Cluster, Operation):
            assert session.query(model).count() == 1


@pytest.mark.parametrize("plan", ["basic-0", "extended-2"])
def test_what_is_not_offered_is_said_to_be(plan: str, world: World) -> None:
    app = world.add_app(world.add_account())
    with pytest.raises(Invalid, match=r"Offered: ottla-kafka:mini-0, ottla-kafka:standard-0"):
        world.add_addon(app, plan=plan)


def test_an_engine_that_is_not_there_yet_is_refused(world: World) -> None:
    app = world.add_app(world.add_account())
    with world.sessions() as session, pytest.raises(Invalid, match="Offered: embedded"):
        addons.create(
            session,
            session.get_one(App, app.id),
            plan="standard-0",
            slug=SLUG,
            now=world.now,
            rng=world.rng,
            options={"engine": "apache-kafka"},
        )


def test_unknown_plans_and_options(world: World) -> None:
    app = world.add_app(world.add_account())
    with pytest.raises(NotFound, match="Couldn't find the plan"):
        world.add_addon(app, plan="mega-9")
    for options in ({"colour": "red"}, {"engine": True}, {"engine": "apache-kafka"}):
        with world.sessions() as session, pytest.raises(Invalid):
            addons.create(
                session,
                session.get_one(App, app.id),
                plan="mini-0",
                slug=SLUG,
                now=world.now,
                rng=world.rng,
                options=options,
            )


def test_every_name_of_an_addon_finds_it(world: World) -> None:
    app = world.add_app(world.add_account())
    addon, _ = world.add_addon(app)
    other, _ = world.add_addon(app)
    with world.sessions() as session:
        account, here = session.get_one(Account, app.account_id), session.get_one(App, app.id)
        for text in (str(addon.id), addon.name, "KAFKA", "KAFKA_URL", "flights::KAFKA"):
            (found,) = addons.resolve(session, account, text, slug=SLUG, app=here)
            assert found.id == addon.id
        both = addons.resolve(session, account, SLUG, slug=SLUG, app=here)
        assert [each.id for each in both] == [addon.id, other.id]
        assert addons.resolve(session, account, "nothing", slug=SLUG, app=here) == []


def test_foreign_things_are_not_found(world: World) -> None:
    app = world.add_app(world.add_account())
    addon, _ = world.add_addon(app)
    stranger = world.add_account("felice@example.com")
    with world.sessions() as session:
        other = session.merge(stranger)
        for text in (str(addon.id), addon.name):
            with pytest.raises(NotFound):
                addons.get(session, other, text)
            assert addons.resolve(session, other, text, slug=SLUG) == []
        with pytest.raises(NotFound):
            apps.get(session, other, "flights")
        with pytest.raises(NotFound):
            attachments.get(session, other, "KAFKA", app=session.get_one(App, app.id))


def test_a_destroyed_one_is_gone_by_id_and_unknown_by_name(world: World) -> None:
    addon = world.provisioned()
    operation = world.destroy(addon.id)
    assert operation is not None
    world.settle(operation.id)
    with world.sessions() as session:
        account = session.get_one(App, addon.app_id).account
        with pytest.raises(Gone):
            addons.get(session, account, str(addon.id))
        with pytest.raises(NotFound):
            addons.get(session, account, addon.name)


def test_app_names_are_unique_and_free_again(world: World) -> None:
    account = world.add_account()
    app = world.add_app(account)
    with pytest.raises(Conflict, match="already taken"):
        world.add_app(account)
    with world.sessions.begin() as session:
        assert apps.destroy(session, session.get_one(App, app.id), now=world.now) == []
    world.add_app(account)


def test_destroying_an_app_takes_its_addons_along(world: World) -> None:
    addon = world.provisioned()
    with world.sessions.begin() as session:
        app = session.get_one(App, addon.app_id)
        (operation,) = apps.destroy(session, app, now=world.now)
        assert session.query(ConfigVar).count() == 0
        with pytest.raises(NotFound):
            apps.get(session, app.account, "flights")
    world.settle(operation.id)
    assert world.addon(addon.id).state == AddonState.DEPROVISIONED


def test_nothing_is_bought_for_a_destroyed_app(world: World) -> None:
    app = world.add_app(world.add_account())
    with world.sessions.begin() as session:
        apps.destroy(session, session.get_one(App, app.id), now=world.now)
    with pytest.raises(Gone):
        world.add_addon(app)


def test_made_up_names_do_not_meet(world: World) -> None:
    """The generator gives the same name twice; the second add-on gets another one."""
    app = world.add_app(world.add_account())
    state = world.rng.getstate()
    first, _ = world.add_addon(app)
    world.rng.setstate(state)
    second, _ = world.add_addon(app)
    assert first.name != second.name


def test_a_users_var_is_not_overwritten(world: World) -> None:
    app = world.add_app(world.add_account())
    with world.sessions.begin() as session:
        config_vars.patch(
            session,
            session.get_one(App, app.id),
            {"KAFKA_URL": "mine"},
            sealer=world.sealer,
            now=world.now,
        )
    with pytest.raises(Invalid, match="has a config var KAFKA_URL already"):
        world.add_addon(app)
