"""Requests remembered by their Idempotency-Key, so that a retry has one effect."""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class IdempotencyRecord(Base):
    """One answered request of an account; the row is written in the request's own transaction."""

    __tablename__ = "idempotency_records"
    __table_args__ = (Index("ix_idempotency_records_created_at", "created_at"),)

    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]  # of method, path and body: a key is for one request only
    status: Mapped[int | None]  # of the answer; None only inside the transaction that makes it
    body: Mapped[dict[str, Any] | None]
    created_at: Mapped[dt.datetime]
