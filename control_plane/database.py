"""Engine, sessions, the declarative base, and the door to the migrations."""

import datetime as dt
import importlib.util
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import DateTime, Engine, MetaData, Text, Uuid, create_engine, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from control_plane.settings import get_settings, sqlalchemy_url

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
# A worker that froze inside a transaction must not hold its locks for ever: the server ends the
# session, and the sweep gives the operation to another.
_SESSION_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "timezone": "UTC",
        "statement_timeout": "15s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "20s",
    }.items()
)
_MIGRATION_LOCK = 0x0771A  # any number, the same in every process that upgrades


class Base(DeclarativeBase):
    """Every model's base: aware times, native UUIDs, text without length, JSON as jsonb."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {
        dt.datetime: DateTime(timezone=True),
        uuid.UUID: Uuid(),
        str: Text(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
    }


def engine_for(database_url: str, *, pool_size: int = 10) -> Engine:
    """Make an engine; a connection that the server closed is noticed before it is used."""
    return create_engine(
        sqlalchemy_url(database_url),
        pool_pre_ping=True,
        hide_parameters=True,  # parameters may be secrets, and errors are logged
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        connect_args={"options": _SESSION_OPTIONS, "connect_timeout": 5},
    )


_sessions: sessionmaker[Session] | None = None


def session_factory() -> sessionmaker[Session]:
    """Return the process's own factory, made from the settings at first use."""
    global _sessions
    if _sessions is None:
        engine = engine_for(get_settings().database_url.get_secret_value())
        _sessions = sessionmaker(engine, expire_on_commit=False)
    return _sessions


@contextmanager
def session_scope(sessions: sessionmaker[Session] | None = None) -> Iterator[Session]:
    """Open a transaction: committed at the end, rolled back on any exception."""
    with (sessions or session_factory()).begin() as session:
        yield session


def upgrade(database_url: str) -> None:
    """Bring a database to the newest migration; at most one process does it at a time.

    The others wait for the advisory lock and then find nothing to do. Killed midway it is
    re-runnable: all of it is one transaction.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Config reads percent signs as interpolation; a directory name may hold one.
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def migrations_directory() -> Path:
    """Find the `migrations` package, in a checkout or an installed wheel."""
    spec = importlib.util.find_spec("migrations")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package `migrations` is not installed")
    return Path(next(iter(spec.submodule_search_locations)))
