"""`ottla-broker cluster --config`: what all brokers are given besides, and what they are not."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_plane.server.common_config import OF_THE_CLUSTER, read_common, with_common
from data_plane.server.config_file import ConfigRefused, read_config

MORE = {
    "listeners": [{"name": "SSL", "port": 9200, "bind": "127.0.0.1"}],
    "static_configs": {"min.insync.replicas": "2", "num.partitions": "8"},
    "auto_create_topics": True,
}


def written(folder: Path, document: object) -> Path:
    path = folder / "common.json"
    path.write_text(json.dumps(document))
    return path


def test_a_broker_gets_its_own_ports_and_what_all_get(tmp_path: Path) -> None:
    own: dict[str, Any] = {
        "data_dir": str(tmp_path),
        "broker_id": 2,
        "listeners": [{"name": "PLAINTEXT", "port": 9094}],
        "static_configs": {"default.replication.factor": "3", "num.partitions": "1"},
    }
    common = read_common(written(tmp_path, MORE))
    document = with_common(own, common, 2)
    config = read_config(written(tmp_path, document))
    assert [(one.name, one.port) for one in config.listeners] == [
        ("PLAINTEXT", 9094),
        ("SSL", 9202),
    ]
    assert config.static_configs == {
        "default.replication.factor": "3",
        "min.insync.replicas": "2",
        "num.partitions": "8",
    }
    assert config.auto_create_topics
    assert config.broker_id == 2
    assert with_common(own, {}, 2) == own, "nothing asked, nothing changed"


@pytest.mark.parametrize("name", OF_THE_CLUSTER)
def test_what_tells_brokers_apart_is_for_the_cluster_to_set(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigRefused, match=name):
        read_common(written(tmp_path, {**MORE, name: 1}))


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], "expected an object"),
        ({"listeners": [{"name": "SSL"}]}, "port is missing"),
        ({"listeners": [{"name": "SSL", "port": 0}]}, "at least 1"),
        ({"listeners": "SSL"}, "listeners must be of type list"),
        ({"static_configs": []}, "static_configs must be of type dict"),
    ],
)
def test_what_no_broker_could_use_is_refused(tmp_path: Path, document: object, text: str) -> None:
    with pytest.raises(ConfigRefused, match=text):
        read_common(written(tmp_path, document))


def test_a_file_that_is_no_json_or_is_not_there_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for path in (broken, tmp_path / "missing.json"):
        with pytest.raises(ConfigRefused, match=path.name):
            read_common(path)
