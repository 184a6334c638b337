"""Accounts and their tokens."""

import datetime as dt

import pytest

from control_plane.domain.errors import Conflict, Invalid, NotFound, Unauthorized
from control_plane.models import ApiToken
from control_plane.services import accounts, tokens
from tests.factories.control_plane import PASSWORD, World


def test_sign_in(world: World) -> None:
    account = world.add_account("Grete@Example.com")
    with world.sessions() as session:
        found = accounts.authenticate(session, email="GRETE@example.com", password=PASSWORD)
    assert found.id == account.id
    assert PASSWORD not in (account.password_hash or "")


@pytest.mark.parametrize(
    ("email", "password"),
    [("grete@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("grete@example.com", "")],
)
def test_wrong_pairs_are_refused_in_the_same_words(email: str, password: str, world: World) -> None:
    world.add_account()
    with (
        world.sessions() as session,
        pytest.raises(Unauthorized, match="no account with this e-mail address and password"),
    ):
        accounts.authenticate(session, email=email, password=password)


def test_an_account_without_password_signs_in_by_token_only(world: World) -> None:
    with world.sessions.begin() as session:
        accounts.create(session, email="op@example.com", password=None, now=world.now)
        with pytest.raises(Unauthorized):
            accounts.authenticate(session, email="op@example.com", password="")


def test_one_address_one_account(world: World) -> None:
    world.add_account()
    with pytest.raises(Conflict):
        world.add_account("GRETE@example.com")


@pytest.mark.parametrize("password", ["short", "x" * 1025])
def test_passwords_have_bounds(password: str, world: World) -> None:
    with world.sessions() as session, pytest.raises(Invalid, match="8 to 1024"):
        accounts.create(session, email="a@example.com", password=password, now=world.now)


def test_a_token_signs_in_until_it_is_revoked(world: World) -> None:
    account = world.add_account()
    with world.sessions.begin() as session:
        account = session.merge(account)
        token, text = tokens.issue(session, account, description="cli", now=world.now)
        assert tokens.authenticate(session, text, now=world.now).account.id == account.id
        assert text.split("_")[2] not in token.secret_sha256
        tokens.revoke(session, account, token.id, now=world.now)
        with pytest.raises(Unauthorized):
            tokens.authenticate(session, text, now=world.now)
        with pytest.raises(NotFound):
            tokens.revoke(session, account, token.id, now=world.now)


def test_a_token_expires(world: World) -> None:
    account = world.add_account()
    with world.sessions.begin() as session:
        life = dt.timedelta(hours=1)
        _, text = tokens.issue(
            session, session.merge(account), description="", now=world.now, life=life
        )
        world.wait(3599)
        tokens.authenticate(session, text, now=world.now)
        world.wait(1)
        with pytest.raises(Unauthorized):
            tokens.authenticate(session, text, now=world.now)


def test_only_the_whole_token_is_one(world: World) -> None:
    account = world.add_account()
    with world.sessions.begin() as session:
        token, text = tokens.issue(session, session.merge(account), description="", now=world.now)
        stored = session.get_one(ApiToken, token.id).secret_sha256
        for wrong in (
            "",
            text[:-1],
            text + "0",
            text.replace("ottla", "node"),
            f"ottla_{token.id.hex}_",
            f"ottla_{token.id.hex}_{stored}",
            "ottla_" + "g" * 32 + "_x",
            text.upper(),
        ):
            with pytest.raises(Unauthorized):
                tokens.authenticate(session, wrong, now=world.now)
