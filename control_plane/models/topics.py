"""Topics as users asked for them; what brokers say of them comes in by report."""

import datetime as dt
import uuid

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base
from control_plane.domain.states import TopicState
from control_plane.domain.topic_rules import TopicShape
from control_plane.models.ids import new_id


class Topic(Base):
    """One topic of a cluster; its name is unique among those that live."""

    __tablename__ = "topics"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    cluster_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clusters.id"))
    name: Mapped[str]
    partition_count: Mapped[int]
    replication_factor: Mapped[int]
    retention_ms: Mapped[int | None] = mapped_column(BigInteger)  # None: without limit
    is_compacted: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(default=TopicState.CREATING)
    error: Mapped[str] = mapped_column(default="")
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)  # as last reported
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]
    deleted_at: Mapped[dt.datetime | None]

    __table_args__ = (
        Index(
            "uq_topics_cluster_id_name_live",
            "cluster_id",
            "name",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    @property
    def shape(self) -> TopicShape:
        return TopicShape(
            self.partition_count, self.replication_factor, self.retention_ms, self.is_compacted
        )

    def reshape(self, shape: TopicShape) -> None:
        """Take the settings of `shape`; the partition count included."""
        self.partition_count = shape.partition_count
        self.replication_factor = shape.replication_factor
        self.retention_ms = shape.retention_ms
        self.is_compacted = shape.is_compacted
