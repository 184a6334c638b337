"""`python -m control_plane.release`: what must be so before the service starts. Runs at each start.

The database is at its newest migration; there is an operator's account, whose token lies in a 0600
file where one is wanted; and where no node is registered yet, a one-time token for the first one.
"""

import os
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from control_plane.database import session_scope, upgrade
from control_plane.domain.clock import SystemClock
from control_plane.models import Account
from control_plane.services import accounts, nodes, tokens
from control_plane.settings import get_settings

OPERATOR_EMAIL = "operator@ottla.local"


def release() -> None:
    """Bring database, operator account and token files to where they should be; idempotent."""
    settings = get_settings()
    upgrade(settings.database_url.get_secret_value())
    written: dict[Path, str] = {}
    with session_scope() as session:
        now = SystemClock().now()
        operator = ensure_operator(session)
        if (path := settings.operator_token_file) and not path.exists():
            _, written[path] = tokens.issue(session, operator, description="operator", now=now)
        if (path := settings.node_token_file) and session.scalar(nodes.query()) is None:
            written[path] = nodes.invite(session, now=now)
    for path, text in written.items():  # only what is committed may be believed
        write_private(path, text)


def ensure_operator(session: Session) -> Account:
    """The operator's account; made without a password, so that only its token signs in."""
    found = session.scalar(select(Account).where(Account.is_operator))
    if found is not None:
        return found
    now = SystemClock().now()
    return accounts.create(session, email=OPERATOR_EMAIL, password=None, now=now, is_operator=True)


def write_private(path: Path, text: str) -> None:
    """Write a secret so that nobody else can read it, not even for an instant."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text + "\n")
    beside.replace(path)


if __name__ == "__main__":
    release()
