"""Alembic's environment: runs in the connection that control_plane.database.upgrade hands over."""

from alembic import context
from sqlalchemy import Connection

import control_plane.models  # noqa: F401 - fills Base.metadata
from control_plane.database import Base


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
