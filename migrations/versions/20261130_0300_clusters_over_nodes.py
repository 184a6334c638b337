"""Clusters over several nodes and plans that change: members, ports for peers, turns in a roll."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_0300"
down_revision = "20261122_1700"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add("clusters", sa.Column("peers", sa.Text(), nullable=False, server_default="sockets"))
    _add("clusters", sa.Column("formed_broker_count", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE clusters SET formed_broker_count ="
        " CASE WHEN plan LIKE 'standard-%' THEN 3 ELSE 1 END"
    )
    op.alter_column("clusters", "formed_broker_count", nullable=False)
    _add("clusters", sa.Column("turn_number", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("clusters", sa.Column("turn_broker_id", sa.Integer(), nullable=True))
    _add(
        "cluster_brokers", sa.Column("is_member", sa.Boolean(), nullable=False, server_default="t")
    )
    op.add_column("cluster_brokers", sa.Column("internal_port", sa.Integer(), nullable=True))
    op.add_column("cluster_brokers", sa.Column("quorum_port", sa.Integer(), nullable=True))
    _add(
        "cluster_brokers",
        sa.Column("wants_restart", sa.Boolean(), nullable=False, server_default="f"),
    )


def _add(table: str, column: "sa.Column[object]") -> None:
    """Add a column whose default is for the rows there are; new rows get the models'."""
    op.add_column(table, column)
    if column.server_default is not None:
        op.alter_column(table, column.name, server_default=None)


def downgrade() -> None:
    for name in ("wants_restart", "quorum_port", "internal_port", "is_member"):
        op.drop_column("cluster_brokers", name)
    for name in ("turn_broker_id", "turn_number", "formed_broker_count", "peers"):
        op.drop_column("clusters", name)
