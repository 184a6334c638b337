"""Worlds in which an operation is about to begin."""

from collections.abc import Iterator

import pytest

from control_plane.local.postgres import EmbeddedPostgres
from tests.conftest import migrated
from tests.integration.control_plane.sagas.beginnings import Beginnings


@pytest.fixture(scope="session")
def beginnings(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[Beginnings]:
    made = Beginnings(migrated(postgres, migrated_template))
    yield made
    made.close()
