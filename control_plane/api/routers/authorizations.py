"""OAuth authorizations: tokens, made by e-mail address and password or by another token."""

import datetime as dt
import uuid

from fastapi import APIRouter, Request, Response

from control_plane.api.schemas.accounts import (
    AuthorizationCreate,
    AuthorizationOut,
    authorization_out,
)
from control_plane.http.auth import AccountDep, SigningInDep
from control_plane.http.context import ContextDep
from control_plane.http.errors import not_found
from control_plane.http.pagination import PageDep, paginate
from control_plane.http.units import SessionDep, TransactionRoute
from control_plane.models import ApiToken
from control_plane.services import tokens
from control_plane.services.lookup import uuid_from

router = APIRouter(prefix="/oauth/authorizations", tags=["tokens"], route_class=TransactionRoute)


@router.post("", status_code=201)
def create_authorization(
    account: SigningInDep,
    session: SessionDep,
    context: ContextDep,
    response: Response,
    body: AuthorizationCreate | None = None,
) -> AuthorizationOut:
    """Make a token. Its text is in this reply and can never be read again."""
    response.headers["Cache-Control"] = "no-store"
    body = body or AuthorizationCreate()
    token, text = tokens.issue(
        session,
        account,
        description=body.description,
        now=context.clock.now(),
        life=dt.timedelta(seconds=body.expires_in) if body.expires_in else None,
    )
    return authorization_out(token, text)


@router.get("")
def list_authorizations(
    account: AccountDep, session: SessionDep, page: PageDep, request: Request, response: Response
) -> list[AuthorizationOut]:
    found = paginate(session, tokens.query(account), ApiToken.id, page, request, response)
    return [authorization_out(token) for token in found]


@router.delete("/{authorization}")
def revoke_authorization(
    authorization: str, account: AccountDep, session: SessionDep, context: ContextDep
) -> AuthorizationOut:
    """End a token's life at once."""
    token = tokens.revoke(session, account, _id(authorization), now=context.clock.now())
    return authorization_out(token)


def _id(text: str) -> uuid.UUID:
    if (found := uuid_from(text)) is None:
        raise not_found("authorization")
    return found
