"""How long an operation has waited for one and the same thing."""

import sqlalchemy as sa
from alembic import op

revision = "20261130_0940"
down_revision = "20261130_0630"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "operations", sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("operations", "waiting_since")
