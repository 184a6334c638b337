"""What some worlds force: each is drawn, is there wherever production uses it, and goes again."""

import ast
from pathlib import Path

import pytest

import data_plane
from data_plane.replication import fetcher
from tests.simulation import rare_paths
from tests.simulation.rare_paths import ALL, LIMITS, Limit
from tests.simulation.shares import CLUSTER_WORLDS, QUORUM_WORLDS

# Syncs of new logs and of recovery stay file by file; the whole disk is synced for records alone.
MEANT = {
    ("data_plane.log.creation", "FDATASYNC_FILES_MAX"),
    ("data_plane.log.recovery_syncs", "FDATASYNC_FILES_MAX"),
}
ROOT = Path(data_plane.__file__).parent


def test_every_run_of_the_tests_forces_each_and_leaves_worlds_without_any() -> None:
    drawn = [rare_paths.drawn(seed) for seed in range(CLUSTER_WORLDS)]
    assert {name for one in drawn for name in one} == set(ALL)
    assert any(not one for one in drawn)
    quorum = [rare_paths.drawn(seed, rare_paths.QUORUMS) for seed in range(QUORUM_WORLDS)]
    assert {name for one in quorum for name in one} == set(rare_paths.QUORUMS)


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_small_while_it_is_forced(name: str) -> None:
    usual = [getattr(limit.owner, limit.name) for limit in LIMITS[name]]
    with rare_paths.forced([name]):
        assert [getattr(limit.owner, limit.name) for limit in LIMITS[name]] == [
            limit.value for limit in LIMITS[name]
        ]
    assert [getattr(limit.owner, limit.name) for limit in LIMITS[name]] == usual
    assert all(limit.value < was for limit, was in zip(LIMITS[name], usual, strict=True))


def test_no_module_has_a_copy_of_a_limit_that_stays_as_it_is() -> None:
    """`from owner import NAME` makes one: it has to be among the limits itself."""
    limits = [limit for some in LIMITS.values() for limit in some]
    known = {(limit.owner.__name__, limit.name) for limit in limits}
    copies = {
        (module, name)
        for module, owner, name in imported_names()
        for limit in limits
        if (owner, name) == (limit.owner.__name__, limit.name)
    }
    assert copies <= known | MEANT


def imported_names() -> list[tuple[str, str, str]]:
    """(module, whom it imports from, name) of all of production."""
    found: list[tuple[str, str, str]] = []
    for path in ROOT.rglob("*.py"):
        module = ".".join(("data_plane", *path.relative_to(ROOT).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                found += [(module, node.module, one.name) for one in node.names]
    return found


def test_a_limit_that_production_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was renamed may not be forced in name only."""
    gone = {"gone": (Limit(fetcher, "NO_SUCH_LIMIT", 1),)}
    monkeypatch.setattr(rare_paths, "LIMITS", gone)
    with pytest.raises(AttributeError, match="NO_SUCH_LIMIT"), rare_paths.forced(["gone"]):
        pytest.fail("it was forced")
