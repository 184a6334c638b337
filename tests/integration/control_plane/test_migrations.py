"""The migrations and the models say the same, and upgrades may be run by many at once."""

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import control_plane.models  # noqa: F401 - fills Base.metadata
from control_plane.database import Base, engine_for, migrations_directory, upgrade
from control_plane.local.postgres import EmbeddedPostgres
from tests.conftest import with_database


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"empty_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield with_database(postgres.url, name)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_models_match_the_migrated_database(database_url: str) -> None:
    engine = engine_for(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        found = inspect(connection)
        for table in Base.metadata.tables.values():
            # The comparison does not look into partial indexes.
            in_database = {index["name"] for index in found.get_indexes(table.name)}
            assert {str(index.name) for index in table.indexes} <= in_database
    engine.dispose()


def test_one_linear_history() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_directory()))
    scripts = ScriptDirectory.from_config(config)
    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1


def test_several_upgrades_at_once(empty_database_url: str) -> None:
    """One does it, the others wait and find it done."""
    failures = []

    def run() -> None:
        try:
            upgrade(empty_database_url)
        except Exception as problem:
            failures.append(problem)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    test_models_match_the_migrated_database(empty_database_url)


def test_it_can_be_taken_back(empty_database_url: str) -> None:
    """Down to nothing and up again."""
    from alembic import command

    upgrade(empty_database_url)
    engine = engine_for(empty_database_url)
    config = Config()
    config.set_main_option("script_location", str(migrations_directory()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    engine.dispose()
    upgrade(empty_database_url)


def test_it_needs_the_database_url_alone(empty_database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "migrations"],
        env={"DATABASE_URL": empty_database_url, **_python_path()},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()


def _python_path() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
