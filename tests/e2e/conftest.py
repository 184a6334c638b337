"""Fixtures of the end-to-end tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.nodes import MoreNodes
from tests.e2e.service import ServiceUnderTest


@pytest.fixture
def service() -> Iterator[ServiceUnderTest]:
    """A service of this test's own, not yet up; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ottla-e2e-"))
    folder.chmod(0o711)
    made = ServiceUnderTest(folder)
    yield made
    made.clean_up()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def nodes(service: ServiceUnderTest) -> Iterator[MoreNodes]:
    """More nodes beside the service's own; their agents and brokers are ended afterwards."""
    made = MoreNodes(service)
    yield made
    made.clean_up()
