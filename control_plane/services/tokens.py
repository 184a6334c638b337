"""API tokens: issued once, checked on every request, revoked at will."""

import datetime as dt
import uuid

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from control_plane.domain.errors import NotFound, Unauthorized
from control_plane.models import Account, ApiToken
from control_plane.models.ids import new_id
from control_plane.services import secret_tokens

KIND = "ottla"


def issue(
    session: Session,
    account: Account,
    *,
    description: str,
    now: dt.datetime,
    life: dt.timedelta | None = None,
) -> tuple[ApiToken, str]:
    """Make a token; returns its row and its text, which is never to be had again."""
    token_id = new_id()
    text, secret_sha256 = secret_tokens.make(KIND, token_id)
    token = ApiToken(
        id=token_id,
        account=account,
        description=description,
        secret_sha256=secret_sha256,
        created_at=now,
        expires_at=now + life if life else None,
    )
    session.add(token)
    session.flush()
    return token, text


def authenticate(session: Session, text: str, *, now: dt.datetime) -> ApiToken:
    """Return the token, with its `account`. Raises Unauthorized: unknown, expired, revoked."""
    if parts := secret_tokens.split(KIND, text):
        token_id, secret = parts
        token = session.get(ApiToken, token_id)
        if (
            token is not None
            and secret_tokens.matches(secret, token.secret_sha256)
            and token.revoked_at is None
            and (token.expires_at is None or token.expires_at > now)
        ):
            return token
    raise Unauthorized("The token is unknown, expired or revoked: sign in again.")


def query(account: Account) -> Select[ApiToken]:
    """Select the account's living tokens."""
    return select(ApiToken).where(ApiToken.account_id == account.id, ApiToken.revoked_at.is_(None))


def revoke(
    session: Session, account: Account, token_id: uuid.UUID, *, now: dt.datetime
) -> ApiToken:
    """End a token's life at once. Raises NotFound."""
    token = session.scalar(query(account).where(ApiToken.id == token_id))
    if token is None:
        raise NotFound("Couldn't find that authorization.")
    token.revoked_at = now
    return token
