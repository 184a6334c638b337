"""ApiVersions: exactly what is served, in forms that every client can read."""

import pytest

from data_plane.broker.handlers import HANDLERS, handler
from data_plane.metadata.features import NEWEST_LEVEL
from data_plane.protocol.api_keys import API_KEYS, INTERNAL_KEYS
from data_plane.protocol.errors import ErrorCode
from data_plane.protocol.messages.api_versions import ApiVersionsRequest
from data_plane.protocol.messages.update_features import (
    SAFE_DOWNGRADE,
    UpdateFeaturesRequest,
    UpdateFeaturesRequestFeature,
)
from tests.unit.data_plane.broker.world import World


@pytest.mark.parametrize("version", range(5))
def test_each_version_lists_what_has_a_handler(version: int) -> None:
    response = World().ask(ApiVersionsRequest("kafka-client", "1.0"), version).response()
    rows = {row.api_key: (row.min_version, row.max_version) for row in response.api_keys}
    assert set(rows) == HANDLERS.keys() - INTERNAL_KEYS
    assert rows[0][0] == 0, "KAFKA-18659: librdkafka turns compression off without it"
    levels = [(row.name, row.max_version_level) for row in response.finalized_features]
    everything = [("group.version", 1), ("ottla.version", NEWEST_LEVEL), ("transaction.version", 2)]
    assert levels == (everything if version >= 3 else [])


def test_without_finalized_features_nothing_is_told_of_them() -> None:
    """A default-valued tag breaks librdkafka < 2.2."""
    world = World()
    updates = [
        UpdateFeaturesRequestFeature(name, 0, upgrade_type=SAFE_DOWNGRADE)
        for name in ("group.version", "ottla.version", "transaction.version")
    ]
    world.ask(UpdateFeaturesRequest(feature_updates=updates), 1)
    world.settle()
    response = world.ask(ApiVersionsRequest("kafka-client", "1.0"), 3).response()
    assert (response.finalized_features, response.finalized_features_epoch) == ((), -1)


@pytest.mark.parametrize("key", sorted(HANDLERS))
def test_table_and_handler_agree(key: int) -> None:
    module = handler(key)
    assert key == module.API_KEY
    assert API_KEYS[key].versions == module.VERSIONS
    assert callable(module.handle)


@pytest.mark.semantics("6a")
@pytest.mark.parametrize("name", ["", "-x", "x-", "a b", "ä"])
def test_a_bad_software_name_is_told(name: str) -> None:
    response = World().ask(ApiVersionsRequest(name, "1.0"), 3).response()
    assert response.error_code == ErrorCode.INVALID_REQUEST


@pytest.mark.semantics("5a", "5b")
def test_an_unknown_version_is_answered_as_version_0() -> None:
    world = World()
    reply = world.send(18, 9, b"anything").reply
    assert reply is not None
    assert b"".join(map(bytes, reply.take())).hex() == "0000004d00230000000100120000" + "0004"


def test_the_session_learns_which_client_it_serves() -> None:
    world = World()
    world.ask(ApiVersionsRequest("librdkafka", "2.15"), 3)
    assert world.session.software == "librdkafka 2.15"
