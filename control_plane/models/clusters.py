"""Kafka clusters behind add-ons, and where their brokers run."""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.database import Base
from control_plane.domain.cluster_states import ClusterState
from control_plane.models.addons import Addon
from control_plane.models.ids import new_id
from control_plane.models.nodes import Node


class Cluster(Base):
    """One Kafka cluster, with a certificate authority of its own."""

    __tablename__ = "clusters"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    addon_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("addons.id"), unique=True)
    plan: Mapped[str]
    engine: Mapped[str]
    state: Mapped[str] = mapped_column(default=ClusterState.CREATING)
    spec_generation: Mapped[int] = mapped_column(BigInteger, default=0)  # only grows
    peers: Mapped[str] = mapped_column(default="sockets")  # a domain.placement.Peers
    # How many brokers formed it: three form the quorum together, into one the others grow.
    formed_broker_count: Mapped[int]
    # The last turn that was given in a roll over several nodes (services/turns.py).
    turn_number: Mapped[int] = mapped_column(BigInteger, default=0)
    turn_broker_id: Mapped[int | None]
    ca_certificate_pem: Mapped[str | None]  # minted by the provisioning
    ca_key_sealed: Mapped[bytes | None]
    created_at: Mapped[dt.datetime]
    available_at: Mapped[dt.datetime | None]
    deleted_at: Mapped[dt.datetime | None]

    addon: Mapped[Addon] = relationship()
    brokers: Mapped[list["ClusterBroker"]] = relationship(
        back_populates="cluster", order_by="ClusterBroker.broker_id"
    )


class ClusterBroker(Base):
    """A broker's place on a node. The row is the reservation; it goes when the broker is gone."""

    __tablename__ = "cluster_brokers"
    __table_args__ = (
        UniqueConstraint("cluster_id", "broker_id"),
        Index("ix_cluster_brokers_node_id", "node_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    cluster_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clusters.id"))
    node_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("nodes.id"))
    broker_id: Mapped[int]
    certificate_pem: Mapped[str | None]
    # The private key as only the node can open it (contract.spec.SealedSecret); kept, because
    # sealing anew gives other bytes and a spec must be the same bytes for the same rows.
    node_sealed_key: Mapped[dict[str, Any] | None]
    is_member: Mapped[bool] = mapped_column(default=True)  # False: it only reserves its place yet
    # How often it was moved off a node that was lost; each time its directory is another one.
    moves: Mapped[int] = mapped_column(default=0)
    # While it is moved, and may still be taken back: where it was.
    came_from_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("nodes.id"))
    # Of a first voter that was moved: where it was when the cluster was formed.
    formed_host: Mapped[str | None]
    formed_quorum_port: Mapped[int | None]
    port: Mapped[int | None]  # as the node reported it, as the following
    internal_port: Mapped[int | None]
    quorum_port: Mapped[int | None]
    wants_restart: Mapped[bool] = mapped_column(default=False)
    phase: Mapped[str] = mapped_column(default="pending")  # a contract Phase
    restarts: Mapped[int] = mapped_column(default=0)

    cluster: Mapped[Cluster] = relationship(back_populates="brokers")
    node: Mapped[Node] = relationship(foreign_keys=[node_id])
