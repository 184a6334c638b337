"""Who may use the service: accounts and their API tokens."""

import datetime as dt
import uuid

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.database import Base
from control_plane.models.ids import new_id


class Account(Base):
    """A person or a platform, known by e-mail address."""

    __tablename__ = "accounts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(unique=True)  # lower case
    password_hash: Mapped[str | None]  # argon2id; None: signs in by token only
    is_operator: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[dt.datetime]


class ApiToken(Base):
    """A bearer token; the text names this row's id, and only the hash of its secret is kept."""

    __tablename__ = "api_tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    description: Mapped[str]
    secret_sha256: Mapped[str]  # hex; the secret has 192 random bits, so a fast hash is enough
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]

    account: Mapped[Account] = relationship()
