"""The table and the declarations say the same."""

import pkgutil

import pytest

from data_plane.protocol import messages
from data_plane.protocol.api_keys import API_KEYS, ApiSpec
from data_plane.protocol.schema import VERSION_MAX, info_of


@pytest.mark.parametrize("spec", API_KEYS.values(), ids=lambda spec: spec.name)
def test_table_matches_declarations(spec: ApiSpec) -> None:
    for cls, kind in ((spec.request, "request"), (spec.response, "response")):
        info = info_of(cls)
        assert (info.kind, info.api_key) == (kind, spec.key)
        assert info.flexible_from == spec.flexible_from
        assert info.flexible_from == VERSION_MAX or info.flexible_from in info.versions
        assert set(spec.versions) <= set(info.versions)


def test_one_file_per_key() -> None:
    files = {module.name for module in pkgutil.iter_modules(messages.__path__)}
    assert files == {spec.module for spec in API_KEYS.values()}
    assert len(files) == len(API_KEYS)


def test_produce_says_zero() -> None:
    """Without it librdkafka turns compression off (KAFKA-18659)."""
    assert API_KEYS[0].versions[0] == 0
