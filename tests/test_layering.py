"""Imports point down (docs/ARCHITECTURE.md); a failure names the allowed direction.

Method: every import form of every module is resolved to a full module name by `ast` and compared
with the layer order; a planted bad import of each form shows that the gate can fail.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Low to high: a layer may import those before it.
DATA_PLANE = [
    "protocol",
    "security",
    "log",
    "raft",
    "metadata",
    "replication",
    "coordinator",
    "broker",
    "peers",
    "server",
]
# What a control-plane layer may import besides itself and the standard library.
CONTROL_PLANE: dict[str, set[str]] = {
    "domain": set(),
    "settings": {"domain"},
    "database": {"settings", "domain"},
    "queue": {"settings"},
    "models": {"database", "domain"},
    "pki": {"domain"},
    "services": {"models", "database", "pki", "domain", "settings"},
    "sagas": {"services", "models", "database", "pki", "domain", "settings"},
    "tasks": {"sagas", "services", "models", "database", "queue", "domain", "settings"},
    "http": {"services", "models", "database", "domain", "settings", "queue"},
    "api": {"http", "services", "models", "database", "domain", "settings", "queue"},
    "dashboard": {"http", "services", "models", "database", "domain", "settings", "queue"},
    "app": {"api", "dashboard", "http", "database", "settings", "queue"},
    "release": {"services", "models", "database", "domain", "settings"},
    "local": {"domain"},
    "cli": {"local", "domain"},
}


def imports_of(source: str, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, full name) of everything `source`, the text of `module`, imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parents = parts if is_package else parts[:-1]
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def complaint(importer: str, imported: str) -> str | None:
    """Say why `importer` may not import `imported`, or None if it may."""
    from_parts, to_parts = importer.split("."), imported.split(".")
    from_plane, to_plane = from_parts[0], to_parts[0]
    if to_plane not in {"control_plane", "data_plane"} or from_plane not in {
        "control_plane",
        "data_plane",
    }:
        return None
    from_layer = from_parts[1] if len(from_parts) > 1 else ""
    to_layer = to_parts[1] if len(to_parts) > 1 else ""
    if from_plane == "data_plane" and to_plane == "control_plane":
        return "the data plane never imports the control plane"
    if from_plane == "control_plane" and to_plane == "data_plane":
        if to_layer in {"contract", "metric_names"}:
            return None
        return "the control plane knows the data plane only through data_plane.contract"
    if from_layer == to_layer or not from_layer or not to_layer:
        return None
    return (
        _data_plane(from_layer, to_layer)
        if from_plane == "data_plane"
        else _control_plane(from_layer, to_layer)
    )


def _data_plane(from_layer: str, to_layer: str) -> str | None:
    if to_layer == "metric_names" or from_layer == "metric_names":
        return None if to_layer == "metric_names" else "metric_names imports nothing of ours"
    if from_layer == "agent":
        return None if to_layer == "contract" else "the agent may import only contract"
    if to_layer == "contract":
        return "contract belongs to the agent and the control plane"
    if to_layer == "agent" or from_layer == "contract":
        return "agent is a program of its own, and contract imports nothing of ours"
    if DATA_PLANE.index(to_layer) > DATA_PLANE.index(from_layer):
        return f"imports point down: {' < '.join(DATA_PLANE)}"
    return None


def _control_plane(from_layer: str, to_layer: str) -> str | None:
    allowed = CONTROL_PLANE.get(from_layer)
    if allowed is None:
        return f"{from_layer} is not in the layer table of {Path(__file__).name}"
    if to_layer not in allowed:
        return f"{from_layer} may import {', '.join(sorted(allowed)) or 'nothing of ours'}"
    return None


def modules() -> Iterator[tuple[Path, str, bool]]:
    for plane in ("control_plane", "data_plane"):
        for path in sorted((ROOT / plane).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            yield path, ".".join(parts[:-1] if is_package else parts), is_package


def test_imports_point_down() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {module} imports {name}: {why}"
        for path, module, is_package in modules()
        for line, name in imports_of(path.read_text(), module, is_package)
        if (why := complaint(module, name))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "planted",
    [
        "import data_plane.server.listener",
        "from data_plane.server import listener",
        "from data_plane import server",
        "from ..server import listener",
        "from .. import server",
        "def later():\n    import control_plane.app",
        "from data_plane.contract import spec",
    ],
)
def test_the_gate_can_fail(planted: str) -> None:
    """Each form of import, planted in a low layer, is found."""
    found = [
        complaint("data_plane.log.segment", name)
        for _, name in imports_of(planted, "data_plane.log.segment", is_package=False)
    ]
    assert any(found)
