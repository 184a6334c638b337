"""What undisturbed runs come to, computed once."""

import psycopg
import pytest

from control_plane.local.postgres import EmbeddedPostgres
from tests.conftest import with_database
from tests.factories.control_plane import World
from tests.factories.snapshots import snapshot
from tests.integration.control_plane.sagas import scenarios
from tests.integration.control_plane.sagas.scenarios import Scenario


@pytest.fixture(scope="session")
def expected(postgres: EmbeddedPostgres, migrated_template: str) -> dict[Scenario, object]:
    """Each scenario's snapshot after a run in which nothing went wrong."""
    found: dict[Scenario, object] = {}
    for scenario in (*scenarios.ALL, *scenarios.FAILED):
        name = "expected_" + scenario.name.replace(" ", "_")
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
        world = World.on(with_database(postgres.url, name))
        world.settle(scenario.start(world), seconds=2)
        world.report()
        found[scenario] = snapshot(world)
        world.close()
    return found
