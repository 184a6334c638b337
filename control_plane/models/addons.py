"""The commercial objects: add-ons, their attachments to apps, and config vars."""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.database import Base
from control_plane.domain.states import AddonState
from control_plane.models.apps import App
from control_plane.models.ids import new_id


class Addon(Base):
    """A plan bought for an app; its id is also the id the data API calls the cluster by."""

    __tablename__ = "addons"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    app_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("apps.id"), index=True)  # billed to it
    name: Mapped[str]
    plan: Mapped[str]  # a key of domain.plans.PLANS
    state: Mapped[str] = mapped_column(default=AddonState.PROVISIONING)
    state_reason: Mapped[str] = mapped_column(default="")  # why it failed, or what holds it up
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)  # `-- --engine=...` of create
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]
    deleted_at: Mapped[dt.datetime | None]  # deprovisioned: the row stays for the books

    app: Mapped[App] = relationship()

    __table_args__ = (
        Index(
            "uq_addons_name_live", "name", unique=True, postgresql_where=text("deleted_at IS NULL")
        ),
    )


class Attachment(Base):
    """An add-on's link to an app; its name is the prefix of the config vars it brings."""

    __tablename__ = "addon_attachments"
    __table_args__ = (UniqueConstraint("app_id", "name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    addon_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("addons.id"), index=True)
    app_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("apps.id"))
    name: Mapped[str]  # KAFKA
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]

    addon: Mapped[Addon] = relationship()
    app: Mapped[App] = relationship()


class ConfigVar(Base):
    """One environment value of an app, sealed; the row's id is bound into the seal."""

    __tablename__ = "config_vars"
    __table_args__ = (UniqueConstraint("app_id", "name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    app_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("apps.id"))
    name: Mapped[str]
    attachment_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("addon_attachments.id"), index=True
    )  # None: the user's own
    sealed_value: Mapped[bytes]
    updated_at: Mapped[dt.datetime]
