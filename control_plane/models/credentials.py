"""Client identities of clusters: a certificate each, its key sealed at rest."""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base
from control_plane.models.ids import new_id


class Credential(Base):
    """A principal of one cluster: an add-on's client set, or a node agent's admin identity."""

    __tablename__ = "credentials"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    cluster_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clusters.id"), index=True)
    kind: Mapped[str]  # "client" | "admin"
    node_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("nodes.id"))  # admin: whose
    principal: Mapped[str]  # "User:CN=<id>,O=<cluster id>"
    certificate_pem: Mapped[str]
    key_sealed: Mapped[bytes | None]  # client: at rest, with SECRET_KEY
    node_sealed_key: Mapped[dict[str, Any] | None]  # admin: only the node can open it
    not_after: Mapped[dt.datetime]
    created_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]

    __table_args__ = (
        # One live set for clients, and one admin identity per node, whoever runs the step.
        Index(
            "uq_credentials_client_live",
            "cluster_id",
            unique=True,
            postgresql_where=text("kind = 'client' AND revoked_at IS NULL"),
        ),
        Index(
            "uq_credentials_admin_live",
            "cluster_id",
            "node_id",
            unique=True,
            postgresql_where=text("kind = 'admin' AND revoked_at IS NULL"),
        ),
    )
