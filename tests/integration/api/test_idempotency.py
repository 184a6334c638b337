"""Idempotency-Key: one effect, the same answer, whatever the network did in between."""

import threading
import uuid

import httpx
from sqlalchemy import func, select, text

from control_plane.models import Addon, App, IdempotencyRecord
from tests.integration.api.conftest import World


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def addon_count(world: World) -> int:
    with world.service.sessions() as session:
        return session.scalar(select(func.count()).select_from(Addon)) or 0


def test_a_retry_has_one_effect_and_the_same_answer(world: World) -> None:
    headers, body = key(), {"plan": "ottla-kafka:mini-0"}
    before = addon_count(world)
    first = world.anna.post("/apps/flights/addons", json=body, headers=headers)
    again = world.anna.post("/apps/flights/addons", json=body, headers=headers)
    assert first.status_code == again.status_code == 202
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert addon_count(world) == before + 1


def test_the_same_key_with_another_request_is_refused(world: World) -> None:
    headers = key()
    assert world.anna.post("/apps", json={"name": "one-app"}, headers=headers).status_code == 201
    other = world.anna.post("/apps", json={"name": "two-app"}, headers=headers)
    assert other.status_code == 422
    assert other.json()["id"] == "idempotency_mismatch"


def test_a_refusal_is_not_kept(world: World) -> None:
    headers = key()
    assert world.anna.post("/apps", json={"name": "flights"}, headers=headers).status_code == 409
    assert world.anna.delete("/apps/flights").status_code == 200
    freed = world.anna.post("/apps", json={"name": "flights"}, headers=headers)
    assert freed.status_code == 201


def test_keys_are_an_accounts_own(world: World) -> None:
    headers = key()
    assert world.anna.post("/apps", json={"name": "annas-app"}, headers=headers).status_code == 201
    berts = world.bert.post("/apps", json={"name": "berts-app"}, headers=headers)
    assert berts.status_code == 201
    assert berts.json()["name"] == "berts-app"


def test_twins_in_flight_make_one_thing(world: World) -> None:
    """Eight at once with one key: one is worked on, the others are replayed or told to wait."""
    headers, answers = key(), list[httpx.Response]()

    def ask() -> None:
        with world.service.client(world.anna_token) as client:
            answers.append(client.post("/apps", json={"name": "only-once"}, headers=headers))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all("retry-after" in each.headers for each in answers if each.status_code == 409)
    assert sum(each.status_code == 201 for each in answers) >= 1
    with world.service.sessions() as session:
        named = select(func.count()).select_from(App).where(App.name == "only-once")
        assert session.scalar(named) == 1


def test_a_twin_of_a_slow_request_is_told_to_wait(world: World) -> None:
    """The first request is held up by a lock of ours, so the twin surely meets it in flight."""
    headers, answers = key(), list[httpx.Response]()

    def ask() -> None:
        with world.service.client(world.anna_token) as client:
            answers.append(client.delete("/apps/flights", headers=headers))

    with world.service.sessions() as session:
        session.execute(text("SELECT id FROM apps WHERE name = 'flights' FOR UPDATE"))
        first = threading.Thread(target=ask)
        first.start()
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with world.service.sessions() as watcher:
            while not watcher.scalar(waiting):
                watcher.rollback()
        twin = world.anna.delete("/apps/flights", headers=headers)
        session.rollback()
    first.join()
    assert twin.status_code == 409
    assert twin.headers["retry-after"] == "1"
    assert answers[0].status_code == 200


def test_a_key_is_forgotten_after_a_day(world: World) -> None:
    headers = key()
    assert world.anna.post("/apps", json={"name": "old-app"}, headers=headers).status_code == 201
    with world.service.sessions.begin() as session:
        session.execute(
            IdempotencyRecord.__table__.update().values(  # type: ignore[attr-defined]  # seen from inside
                created_at=func.now() - text("interval '25 hours'")
            )
        )
    again = world.anna.post("/apps", json={"name": "old-app"}, headers=headers)
    assert again.status_code == 409  # worked on anew, and the name is taken


def test_secrets_are_never_kept(world: World) -> None:
    headers = key()
    for _ in range(2):
        set_ = world.anna.patch(
            "/apps/flights/config-vars", json={"SECRET": "hunter2"}, headers=headers
        )
        assert set_.status_code == 200
        assert "idempotent-replayed" not in set_.headers
    with world.service.sessions() as session:
        assert "hunter2" not in str(session.scalars(select(IdempotencyRecord.body)).all())
