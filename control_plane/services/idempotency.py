"""Idempotency-Key: the first answer is kept and given to the retries (product.md 6b.5)."""

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from control_plane.domain.errors import Conflict, Invalid
from control_plane.models import Account, IdempotencyRecord

KEPT = dt.timedelta(hours=24)
KEY_CHARACTERS_MAX = 255


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    status: int
    body: dict[str, Any] | None


def begin(
    session: Session,
    account: Account,
    key: str,
    *,
    method: str,
    target: str,
    body: bytes,
    now: dt.datetime,
) -> KeptAnswer | None:
    """Take the key in this request's transaction; returns the kept answer if there is one.

    A twin in flight holds the key's row, so this waits for its commit (lock_timeout bounds it).
    Raises Invalid `idempotency_mismatch` if the key was used for another request.
    """
    if not 0 < len(key) <= KEY_CHARACTERS_MAX:
        raise Invalid(f"An Idempotency-Key has 1 to {KEY_CHARACTERS_MAX} characters.")
    digest = hashlib.sha256(f"{method}\n{target}\n".encode() + body).hexdigest()
    taken = session.execute(
        insert(IdempotencyRecord)
        .values(account_id=account.id, key=key, request_sha256=digest, created_at=now)
        .on_conflict_do_nothing()
        .returning(IdempotencyRecord.key)
    ).one_or_none()
    if taken is not None:
        return None
    kept = session.get(IdempotencyRecord, (account.id, key), populate_existing=True)
    if kept is None or kept.status is None:
        raise Conflict("A request with this Idempotency-Key is under way.")
    if kept.request_sha256 != digest:
        raise Invalid(
            "This Idempotency-Key was used for another request.", code="idempotency_mismatch"
        )
    return KeptAnswer(kept.status, kept.body)


def finish(
    session: Session, account: Account, key: str, *, status: int, body: dict[str, Any] | None
) -> None:
    """Keep the answer, in the transaction that did the work: both are there, or neither."""
    session.execute(
        update(IdempotencyRecord)
        .where(IdempotencyRecord.account_id == account.id, IdempotencyRecord.key == key)
        .values(status=status, body=body)
    )


def expire(session: Session, *, now: dt.datetime) -> None:
    """Forget answers older than a day."""
    session.execute(delete(IdempotencyRecord).where(IdempotencyRecord.created_at < now - KEPT))
