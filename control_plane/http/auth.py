"""Who is asking: a Bearer token, or the same token as the password of Basic with an empty user."""

import base64
import binascii
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security.http import HTTPBase

from control_plane.domain.errors import Forbidden, Unauthorized
from control_plane.http.context import ContextDep, client_host
from control_plane.http.units import SessionDep
from control_plane.models import Account
from control_plane.services import accounts, tokens

_HEADER_CHARS_MAX = 4096

# What the OpenAPI document says of a route. The header itself is read below: one token may come
# in either scheme, and a refusal has our words.
TOKEN_SHOWN = Security(
    HTTPBase(
        scheme="bearer",
        scheme_name="token",
        description="An API token; also taken as the password of Basic with an empty user.",
        auto_error=False,
    )
)
PASSWORD_SHOWN = Security(
    HTTPBase(
        scheme="basic",
        scheme_name="password",
        description="E-mail address and password of an account.",
        auto_error=False,
    )
)


def authorization_of(request: Request) -> tuple[str, str]:
    """Return (scheme in lower case, credentials), both "" if there is no such header."""
    header = request.headers.get("authorization", "")[:_HEADER_CHARS_MAX]
    scheme, _, credentials = header.partition(" ")
    return scheme.lower(), credentials.strip()


def basic_pair(credentials: str) -> tuple[str, str] | None:
    """Decode user:password (RFC 7617); None if it is not that."""
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    storable = colon and "\x00" not in user + password
    return (user, password) if storable else None


def token_text(request: Request) -> str:
    """Return the token's text. Raises Unauthorized if the request has none."""
    scheme, credentials = authorization_of(request)
    if scheme == "bearer" and credentials:
        return credentials
    if scheme == "basic" and (pair := basic_pair(credentials)) and not pair[0]:
        return pair[1]
    raise Unauthorized("There is no token with the request: send Authorization: Bearer <token>.")


def account_of(
    request: Request,
    session: SessionDep,
    context: ContextDep,
    _shown: Annotated[object, TOKEN_SHOWN] = None,
) -> Account:
    """The account of the request's token."""
    return tokens.authenticate(session, token_text(request), now=context.clock.now()).account


AccountDep = Annotated[Account, Depends(account_of)]


def operator_of(account: AccountDep) -> Account:
    if not account.is_operator:
        raise Forbidden("Only operators of the service may do this.")
    return account


OperatorDep = Annotated[Account, Depends(operator_of)]


def signing_in(
    request: Request,
    session: SessionDep,
    context: ContextDep,
    _shown: Annotated[object, PASSWORD_SHOWN] = None,
    _shown_too: Annotated[object, TOKEN_SHOWN] = None,
) -> Account:
    """The account of an e-mail address and password (Basic), or of a token that makes another."""
    scheme, credentials = authorization_of(request)
    pair = basic_pair(credentials) if scheme == "basic" else None
    if pair is None or not pair[0]:
        return account_of(request, session, context)
    email, password = pair
    context.sign_ins.check(email.lower())
    context.sign_ins_by_host.check(client_host(request))
    return accounts.authenticate(session, email=email, password=password)


SigningInDep = Annotated[Account, Depends(signing_in)]
