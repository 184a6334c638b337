"""Apps: what add-ons are attached to."""

import datetime as dt
import uuid

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.database import Base
from control_plane.models.accounts import Account
from control_plane.models.ids import new_id


class App(Base):
    """A user's application; its name is unique among those that live."""

    __tablename__ = "apps"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]
    deleted_at: Mapped[dt.datetime | None]

    account: Mapped[Account] = relationship()

    __table_args__ = (
        Index(
            "uq_apps_name_live", "name", unique=True, postgresql_where=text("deleted_at IS NULL")
        ),
    )
