"""The transactional outbox: what happened, written in the transaction in which it happened."""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class Event(Base):
    """One thing that happened to an add-on; `sequence` orders events of one subject."""

    __tablename__ = "events"

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    type: Mapped[str]  # "addon.created", "cluster.available", "topic.created", ...
    app_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("apps.id"))
    addon_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("addons.id"))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[dt.datetime]

    __table_args__ = (Index("ix_events_addon_id_sequence", "addon_id", "sequence"),)
