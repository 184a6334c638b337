"""Accounts: made with an e-mail address and a password, found again by both."""

import datetime as dt

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from control_plane.domain.errors import Conflict, Invalid, Unauthorized
from control_plane.domain.names import check_email
from control_plane.models import Account

PASSWORD_CHARACTERS_MIN = 8
PASSWORD_CHARACTERS_MAX = 1024  # hashing costs by length; nobody types more

_hasher = PasswordHasher()  # argon2id with the library's current parameters
# Verified in place of a missing account's, so that the time taken tells nothing.
_NOBODYS_HASH = _hasher.hash("no account has this password")


def create(
    session: Session,
    *,
    email: str,
    password: str | None,
    now: dt.datetime,
    is_operator: bool = False,
) -> Account:
    """Add an account; password None: it can sign in by token only.

    Raises Invalid (address, password length) or Conflict (address taken).
    """
    if password is not None and not (
        PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX
    ):
        raise Invalid(
            f"A password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters.",
            field="password",
        )
    account = Account(
        email=check_email(email),
        password_hash=None if password is None else _hasher.hash(password),
        is_operator=is_operator,
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError:
        raise Conflict("There is an account with this address already.", field="email") from None
    return account


def authenticate(session: Session, *, email: str, password: str) -> Account:
    """Return the account of the pair. Raises Unauthorized in the same words for either fault."""
    account = session.scalar(select(Account).where(Account.email == email.lower()))
    stored = account.password_hash if account else None
    try:
        # The verification runs in any case; its time must not depend on who exists.
        _hasher.verify(stored or _NOBODYS_HASH, password[:PASSWORD_CHARACTERS_MAX])
        is_match = stored is not None
    except (VerificationError, InvalidHashError):
        is_match = False
    if account is None or not is_match:
        raise Unauthorized("There is no account with this e-mail address and password.")
    return account
