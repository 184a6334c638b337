"""Idempotency-Key on POST, PUT, PATCH and DELETE: a retry gets the first answer, with no effect.

The answer is kept in the transaction of the effect it tells of, so either both exist or neither.
What was refused changed nothing and is not kept: a retry of it runs anew. Answers that carry
secrets (Cache-Control: no-store) are not kept either; those requests are idempotent by nature.
"""

import hashlib
import json
from typing import Annotated, Final

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from control_plane.http.auth import AccountDep
from control_plane.http.context import ContextDep
from control_plane.http.errors import ApiError
from control_plane.http.units import Replay, UnitDep
from control_plane.models import Account, IdempotencyRecord
from control_plane.services import idempotency

_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


async def body_of(request: Request) -> bytes:
    return await request.body() if request.method in _METHODS else b""


def remember(
    request: Request,
    account: AccountDep,
    unit: UnitDep,
    context: ContextDep,
    body: Annotated[bytes, Depends(body_of)],
) -> None:
    """Answer a known key from the store, or see to it that this answer is kept."""
    key = request.headers.get("idempotency-key")
    if key is None or request.method not in _METHODS:
        return
    session, now = unit.session, context.clock.now()
    _lock(session, f"{account.id} {key}")
    # A key is forgotten after a day, whether or not the periodic clean-up has come by.
    session.execute(
        delete(IdempotencyRecord).where(
            IdempotencyRecord.account_id == account.id,
            IdempotencyRecord.key == key,
            IdempotencyRecord.created_at < now - idempotency.KEPT,
        )
    )
    target = f"{request.url.path}?{request.url.query}"
    kept = idempotency.begin(
        session, account, key, method=request.method, target=target, body=body, now=now
    )
    if kept is not None:
        raise Replay(_answer_again(kept))
    unit.before_commit.append(lambda session, response: _keep(session, account, key, response))


def _lock(session: Session, name: str) -> None:
    """Hold the key until the end of the transaction; a twin in flight is told to come back."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    if not session.scalar(select(func.pg_try_advisory_xact_lock(number))):
        raise ApiError(
            "conflict",
            "A request with the same Idempotency-Key is being worked on.",
            headers={"Retry-After": "1"},
        )


def _keep(session: Session, account: Account, key: str, response: Response) -> None:
    if "no-store" in response.headers.get("cache-control", ""):
        session.execute(
            delete(IdempotencyRecord).where(
                IdempotencyRecord.account_id == account.id, IdempotencyRecord.key == key
            )
        )
        return
    content = json.loads(bytes(response.body)) if response.body else None
    body = {"content": content, "location": response.headers.get("location")}
    idempotency.finish(session, account, key, status=response.status_code, body=body)


def _answer_again(kept: idempotency.KeptAnswer) -> Response:
    body = kept.body or {}
    headers = {"Idempotent-Replayed": "true"}
    if body.get("location"):
        headers["Location"] = body["location"]
    if body.get("content") is None:
        return Response(status_code=kept.status, headers=headers)
    return JSONResponse(body["content"], kept.status, headers)
