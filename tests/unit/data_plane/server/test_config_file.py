"""`--config FILE.json`: what it may not say of listeners."""

import json
from pathlib import Path

import pytest

from data_plane.server.config_file import ConfigRefused, read_config


@pytest.mark.parametrize("name", ["INTERNAL", "QUORUM"])
def test_a_clients_listener_does_not_take_the_name_of_one_for_brokers(
    tmp_path: Path, name: str
) -> None:
    """Its clients would be told where brokers find each other."""
    path = tmp_path / "broker.json"
    document = {"data_dir": "/data", "listeners": [{"name": "PLAINTEXT"}]}
    path.write_text(json.dumps(document))
    assert read_config(path).spec_broker_count == 1
    path.write_text(json.dumps({**document, "listeners": [{"name": name}]}))
    with pytest.raises(ConfigRefused, match=name):
        read_config(path)
