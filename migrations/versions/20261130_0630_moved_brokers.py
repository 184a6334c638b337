"""Brokers that are moved off a lost node: how often, and where they were."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_0630"
down_revision = "20261130_0300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "cluster_brokers", sa.Column("moves", sa.Integer(), nullable=False, server_default="0")
    )
    op.alter_column("cluster_brokers", "moves", server_default=None)
    op.add_column("cluster_brokers", sa.Column("came_from_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_cluster_brokers_came_from_id_nodes",
        "cluster_brokers",
        "nodes",
        ["came_from_id"],
        ["id"],
    )
    op.add_column("cluster_brokers", sa.Column("formed_host", sa.Text(), nullable=True))
    op.add_column("cluster_brokers", sa.Column("formed_quorum_port", sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in ("formed_quorum_port", "formed_host", "came_from_id", "moves"):
        op.drop_column("cluster_brokers", name)
