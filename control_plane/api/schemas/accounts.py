"""Accounts and the tokens they sign in with."""

from pydantic import Field

from control_plane.api.schemas.bodies import Body, Moment, Out
from control_plane.models import Account, ApiToken


class AccountCreate(Body):
    email: str = Field(min_length=3, max_length=254)
    password: str = Field(min_length=1, max_length=1024)


class AccountOut(Out):
    id: str
    email: str
    is_operator: bool
    created_at: Moment


def account_out(account: Account) -> AccountOut:
    return AccountOut(
        id=str(account.id),
        email=account.email,
        is_operator=account.is_operator,
        created_at=account.created_at,
    )


class AuthorizationCreate(Body):
    description: str = Field(default="", max_length=200)
    expires_in: int | None = Field(default=None, ge=60, le=10 * 365 * 86_400)  # seconds


class AccessToken(Out):
    id: str
    token: str | None  # the text itself, in the reply that creates it and never again
    expires_in: int | None


class AuthorizationOut(Out):
    id: str
    description: str
    scope: list[str] = ["global"]
    access_token: AccessToken
    created_at: Moment
    updated_at: Moment


def authorization_out(token: ApiToken, text: str | None = None) -> AuthorizationOut:
    lifetime = token.expires_at - token.created_at if token.expires_at else None
    return AuthorizationOut(
        id=str(token.id),
        description=token.description,
        access_token=AccessToken(
            id=str(token.id),
            token=text,
            expires_in=int(lifetime.total_seconds()) if lifetime else None,
        ),
        created_at=token.created_at,
        updated_at=token.created_at,
    )
