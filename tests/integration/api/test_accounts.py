"""Sign-up, tokens, and every way to be refused."""

import base64
import datetime as dt

import httpx
import pytest

from control_plane.domain.clock import ManualClock
from tests.factories import rows as make
from tests.fakes.service import Service, serving

PAIR = {"email": "anna@example.test", "password": make.PASSWORD}


def basic(user: str, password: str) -> dict[str, str]:
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def sign_up(service: Service) -> str:
    """Return a token made by e-mail address and password."""
    with service.client() as client:
        assert client.post("/accounts", json=PAIR).status_code == 201
        made = client.post(
            "/oauth/authorizations",
            json={"description": "cli"},
            headers=basic(PAIR["email"], PAIR["password"]),
        )
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    return str(made.json()["access_token"]["token"])


def test_sign_up_log_in_and_who_am_i(service: Service) -> None:
    token = sign_up(service)
    with service.client() as client:
        for headers in ({"Authorization": f"Bearer {token}"}, basic("", token)):
            account = client.get("/account", headers=headers)
            assert account.status_code == 200
            assert account.json()["email"] == PAIR["email"]


def test_a_token_is_listed_without_its_text_and_revoked(service: Service) -> None:
    token = sign_up(service)
    with service.client(token) as client:
        (listed,) = client.get("/oauth/authorizations").json()
        assert listed["access_token"]["token"] is None
        assert client.delete(f"/oauth/authorizations/{listed['id']}").status_code == 200
        assert client.get("/account").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer ottla_" + "0" * 32 + "_" + "0" * 48},
        {"Authorization": "Basic !!!"},
        basic("", "nonsense"),
        basic(PAIR["email"], PAIR["password"]),  # a password is no token
    ],
)
def test_without_a_valid_token_nothing_is_told(service: Service, headers: dict[str, str]) -> None:
    sign_up(service)
    with service.client() as client:
        for path in ("/account", "/apps", "/addons", "/nodes", "/apps/flights/config-vars"):
            refused = client.get(path, headers=headers)
            assert refused.status_code == 401
            assert refused.json()["id"] == "unauthorized"


def test_an_expired_token_is_refused(database_url: str) -> None:
    clock = ManualClock(make.now())
    with serving(database_url, clock=clock) as service:
        token = sign_up(service)
        with service.client(token) as client:
            made = client.post("/oauth/authorizations", json={"expires_in": 60}).json()
            clock.advance(seconds=61)
            short = {"Authorization": f"Bearer {made['access_token']['token']}"}
            assert client.get("/account", headers=short).status_code == 401
            assert client.get("/account").status_code == 200
    assert clock.now().tzinfo is dt.UTC


def test_closed_sign_up_is_refused(database_url: str) -> None:
    with serving(database_url, signup="closed") as service, service.client() as client:
        refused = client.post("/accounts", json=PAIR)
        assert refused.status_code == 403
        assert refused.json()["id"] == "forbidden"


def test_guessing_a_password_is_slowed(service: Service) -> None:
    sign_up(service)
    wrong = basic(PAIR["email"], "not it")
    with service.client() as client:
        answers = [client.post("/oauth/authorizations", headers=wrong) for _ in range(6)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[-1] == 429
        assert set(statuses[:-1]) <= {401, 429}
        assert int(answers[-1].headers["retry-after"]) >= 1
        # The right password does not get past the limit either: it would tell that it is right.
        right = client.post("/oauth/authorizations", headers=basic(PAIR["email"], make.PASSWORD))
        assert right.status_code == 429


@pytest.mark.parametrize(
    "body",
    [
        {"email": "no address", "password": make.PASSWORD},
        {"email": "a@b.test", "password": "short"},
        {"email": "a@b.test"},
        {"email": "a\x00@b.test", "password": make.PASSWORD},
        {"email": ["a@b.test"], "password": make.PASSWORD},
    ],
)
def test_bad_sign_ups_name_the_field(service: Service, body: dict[str, object]) -> None:
    with service.client() as client:
        refused = client.post("/accounts", json=body)
    assert refused.status_code == 422
    assert refused.json()["details"]
    assert make.PASSWORD not in refused.text


def test_an_address_taken_is_a_conflict(service: Service) -> None:
    with service.client() as client:
        assert client.post("/accounts", json=PAIR).status_code == 201
        again: httpx.Response = client.post(
            "/accounts", json={**PAIR, "email": "ANNA@example.test"}
        )
    assert again.status_code == 409
