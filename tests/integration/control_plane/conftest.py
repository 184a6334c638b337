"""Fixtures of the control plane's integration tests."""

from collections.abc import Iterator

import pytest

from tests.factories.control_plane import World


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A control plane on a database of its own, with nothing in it yet."""
    world = World.on(database_url)
    yield world
    world.close()
