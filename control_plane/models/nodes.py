"""Machines with an agent: their keys, what they last said, and how they joined."""

import datetime as dt
import uuid

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base
from control_plane.models.ids import new_id


class Node(Base):
    """One machine with one agent; its signing key is its identity."""

    __tablename__ = "nodes"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    signing_public_key: Mapped[str] = mapped_column(unique=True)  # Ed25519, base64 of 32 bytes
    sealing_public_key: Mapped[str]  # X25519, base64 of 32 bytes
    advertised_host: Mapped[str]
    port_first: Mapped[int]
    port_last: Mapped[int]
    rack: Mapped[str | None]
    registered_at: Mapped[dt.datetime]
    retired_at: Mapped[dt.datetime | None]
    # From the last report; None until the first.
    last_report_at: Mapped[dt.datetime | None]
    observed_generation: Mapped[int] = mapped_column(BigInteger, default=0)
    boot_id: Mapped[str] = mapped_column(default="")
    agent_version: Mapped[str] = mapped_column(default="")
    disk_free_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    disk_total_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class NodeToken(Base):
    """A one-time invitation for a node; used once, or again by the same key after a lost reply."""

    __tablename__ = "node_tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    secret_sha256: Mapped[str]
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
    used_at: Mapped[dt.datetime | None]
    node_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("nodes.id"))


class NodeNonce(Base):
    """A nonce a node has signed with; the primary key is what refuses a replay."""

    __tablename__ = "node_nonces"
    __table_args__ = (Index("ix_node_nonces_expires_at", "expires_at"),)

    node_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[dt.datetime]
