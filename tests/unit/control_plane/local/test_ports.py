"""Kept ports: the same again, and a damaged file is no obstacle."""

from pathlib import Path

import pytest

from control_plane.local.ports import PICKED_PORTS, KeptPorts, pick_free


def test_a_port_is_kept(tmp_path: Path) -> None:
    first = KeptPorts(tmp_path / "ports.json").get("api")
    assert KeptPorts(tmp_path / "ports.json").get("api") == first


@pytest.mark.parametrize("text", ["{", "[1]", '{"api": "http"}', ""])
def test_a_damaged_file_is_made_anew(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    port = KeptPorts(path).get("api")
    assert KeptPorts(path).peek("api") == port


def test_a_picked_port_is_none_that_outgoing_connections_use() -> None:
    assert all(pick_free() in PICKED_PORTS for _ in range(20))
