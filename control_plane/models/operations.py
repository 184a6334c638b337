"""Durable user-visible changes and what their steps have done."""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.database import Base
from control_plane.domain.states import LIVE, OperationState
from control_plane.models.ids import new_id

_IS_LIVE = "state IN ({})".format(", ".join(f"'{state}'" for state in LIVE))


class Operation(Base):
    """One run of a saga. `due_at`, `lease_until` and `fencing_token` say who may act, and when."""

    __tablename__ = "operations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]  # a key of sagas.SAGAS
    addon_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("addons.id"), index=True)
    cluster_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clusters.id"), index=True)
    topic_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("topics.id"))
    input: Mapped[dict[str, Any]] = mapped_column(default=dict)
    request_id: Mapped[str] = mapped_column(default="")  # of the request that asked for it
    state: Mapped[str] = mapped_column(default=OperationState.PENDING)
    step: Mapped[str] = mapped_column(default="")  # the one being done, for people
    steps_done: Mapped[int] = mapped_column(default=0)
    steps_total: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)  # failures of the current step
    step_since: Mapped[dt.datetime | None]  # when the current step was first tried
    reason: Mapped[str] = mapped_column(default="")  # a sentence: why it failed or waits
    waiting_since: Mapped[dt.datetime | None]  # how long `reason` has been the same; None: done
    due_at: Mapped[dt.datetime]  # not to be run before
    wake_count: Mapped[int] = mapped_column(BigInteger, default=0)  # grows with each wake-up
    lease_until: Mapped[dt.datetime | None]  # None: nobody holds it
    fencing_token: Mapped[int] = mapped_column(BigInteger, default=0)  # grows with each claim
    nudged_at: Mapped[dt.datetime | None]  # when the sweep last sent it
    created_at: Mapped[dt.datetime]
    started_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]

    step_runs: Mapped[list["StepRun"]] = relationship(order_by="StepRun.finished_at")

    __table_args__ = (
        Index("ix_operations_due_live", "due_at", postgresql_where=text(_IS_LIVE)),
        # A retried request finds the operation that the first one made.
        Index(
            "uq_operations_kind_cluster_live",
            "kind",
            "cluster_id",
            unique=True,
            postgresql_where=text(f"{_IS_LIVE} AND topic_id IS NULL"),
        ),
        Index(
            "uq_operations_topic_live",
            "topic_id",
            unique=True,
            postgresql_where=text(f"{_IS_LIVE} AND topic_id IS NOT NULL"),
        ),
    )


class StepRun(Base):
    """The outcome of one step, done or undone; unique, so that no outcome is stored twice."""

    __tablename__ = "step_runs"
    __table_args__ = (UniqueConstraint("operation_id", "name", "direction"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    operation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operations.id"))
    name: Mapped[str]
    direction: Mapped[str]  # "do" | "undo"
    output: Mapped[dict[str, Any]] = mapped_column(default=dict)
    note: Mapped[str] = mapped_column(default="")  # an undo that was given up says why
    attempts: Mapped[int]
    fencing_token: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[dt.datetime]
    finished_at: Mapped[dt.datetime]
