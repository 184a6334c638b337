"""The ledger of plan time: what bills are computed from."""

import datetime as dt
import uuid

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base
from control_plane.models.ids import new_id


class PlanInterval(Base):
    """Half-open time [started_at, ended_at) of a cluster on a plan, with the price agreed then.

    Append-only: rows are never removed, and nothing but the open end is ever written.
    """

    __tablename__ = "plan_intervals"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    addon_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("addons.id"), index=True)
    cluster_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clusters.id"))
    plan: Mapped[str]
    price_micros_per_month: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    started_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]

    __table_args__ = (
        CheckConstraint("ended_at >= started_at", name="ends_after_start"),
        Index(
            "uq_plan_intervals_cluster_id_open",
            "cluster_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )
