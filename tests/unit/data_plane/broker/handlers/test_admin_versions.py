"""Handlers, table and messages agree on keys and versions."""

import pytest

from data_plane.broker.handlers import HANDLERS, handler
from data_plane.protocol.api_keys import API_KEYS


@pytest.mark.parametrize("key", sorted(HANDLERS))
def test_what_is_advertised_is_what_the_handler_says(key: int) -> None:
    module = handler(key)
    assert key == module.API_KEY
    assert API_KEYS[key].versions == module.VERSIONS
