"""One Idempotency-Key, one effect."""

import threading

import pytest

from control_plane.domain.errors import Invalid
from control_plane.models import Account, App, IdempotencyRecord
from control_plane.services import apps, idempotency
from control_plane.services.idempotency import KeptAnswer
from tests.factories.control_plane import World


def send(world: World, account: Account, *, key: str = "k", body: bytes = b"{}") -> KeptAnswer:
    """Do what a request does: take the key, work, keep the answer, commit."""
    with world.sessions.begin() as session:
        here = session.get_one(Account, account.id)
        kept = idempotency.begin(
            session, here, key, method="POST", target="/apps", body=body, now=world.now
        )
        if kept is not None:
            return kept
        app = apps.create(session, here, name=None, now=world.now, rng=world.rng)
        answer = {"id": str(app.id)}
        idempotency.finish(session, here, key, status=201, body=answer)
        return KeptAnswer(201, answer)


def test_fifty_at_once_are_one(world: World) -> None:
    account = world.add_account()
    answers: list[KeptAnswer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(send(world, account))) for _ in range(15)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 15
    assert len({str(answer) for answer in answers}) == 1
    with world.sessions() as session:
        assert session.query(App).count() == 1


def test_another_request_with_the_key_is_refused(world: World) -> None:
    account = world.add_account()
    send(world, account)
    with pytest.raises(Invalid) as refused:
        send(world, account, body=b'{"name":"other"}')
    assert refused.value.id == "idempotency_mismatch"


def test_a_key_is_an_accounts_own(world: World) -> None:
    first = send(world, world.add_account())
    assert send(world, world.add_account("felice@example.com")) != first


def test_a_failed_request_leaves_the_key_free(world: World) -> None:
    account = world.add_account()
    with world.sessions() as session:  # never committed, as after an exception
        here = session.get_one(Account, account.id)
        idempotency.begin(
            session, here, "k", method="POST", target="/apps", body=b"{}", now=world.now
        )
    assert send(world, account).status == 201


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_bounds(key: str, world: World) -> None:
    account = world.add_account()
    with pytest.raises(Invalid):
        send(world, account, key=key)


def test_answers_are_kept_for_a_day(world: World) -> None:
    first = send(world, account := world.add_account())
    world.wait(86_400)
    with world.sessions.begin() as session:
        idempotency.expire(session, now=world.now)
    assert send(world, account) == first
    world.wait(1)
    with world.sessions.begin() as session:
        idempotency.expire(session, now=world.now)
        assert session.query(IdempotencyRecord).count() == 0
