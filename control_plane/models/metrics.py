"""Metric samples as nodes reported them."""

import datetime as dt
import uuid

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class MetricSampleRow(Base):
    """One reading; (node, sequence) is what makes storing a report twice harmless."""

    __tablename__ = "metric_samples"
    __table_args__ = (
        Index("ix_metric_samples_cluster_id_name_at", "cluster_id", "name", "at"),
        Index("ix_metric_samples_at", "at"),
    )

    node_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    cluster_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clusters.id"))
    broker_id: Mapped[int]
    name: Mapped[str]  # a key of data_plane.metric_names.METRICS
    topic: Mapped[str | None]  # None: the whole broker
    at: Mapped[dt.datetime]
    value: Mapped[float]
