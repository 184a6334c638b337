"""Desired documents as published, and how far nodes have come in applying them."""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class NodeSpecRow(Base):
    """A node's latest NodeSpec; the generation only grows."""

    __tablename__ = "node_specs"

    node_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)
    document: Mapped[dict[str, Any]]  # contract NodeSpec as JSON
    published_at: Mapped[dt.datetime]


class ClusterSpecRow(Base):
    """A cluster's share of one node: desired document, and what the node last said of it."""

    __tablename__ = "cluster_specs"
    __table_args__ = (Index("ix_cluster_specs_node_id", "node_id"),)

    cluster_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clusters.id"), primary_key=True)
    node_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)
    document: Mapped[dict[str, Any]]  # contract ClusterSpec as JSON
    published_at: Mapped[dt.datetime]
    observed_generation: Mapped[int] = mapped_column(BigInteger, default=0)
    status: Mapped[dict[str, Any]] = mapped_column(default=dict)  # contract ClusterStatus as JSON
    observed_at: Mapped[dt.datetime | None]  # of the last report that named this cluster
