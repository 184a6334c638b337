"""Kept ports: the same again, and a damaged file is no obstacle."""

from pathlib import Path

import pytest

from control_plane.local.ports import KeptPorts


def test_a_port_is_kept(tmp_path: Path) -> None:
    first = KeptPorts(tmp_path / "ports.json").get("api")
    assert KeptPorts(tmp_path / "ports.json").get("api") == first


@pytest.mark.parametrize("text", ["{", "[1]", '{"api": "http"}', ""])
def test_a_damaged_file_is_made_anew(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    port = KeptPorts(path).get("api")
    assert KeptPorts(path).peek("api") == port
