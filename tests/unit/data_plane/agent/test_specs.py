"""Generations only grow, and what lies on disk is what was accepted."""

import uuid
from pathlib import Path

import pytest

from data_plane.agent import specs
from data_plane.agent.specs import AcceptedSpec, SpecRefused
from data_plane.agent.storage import Storage
from data_plane.contract.spec import ClusterSpec, NodeSpec
from data_plane.contract.versions import CONTRACT_VERSION

ONE, TWO = str(uuid.uuid4()), str(uuid.uuid4())


def node_spec(generation: int, *clusters: ClusterSpec, node_id: str = "n") -> NodeSpec:
    return NodeSpec(node_id=node_id, generation=generation, clusters=list(clusters))


def cluster(cluster_id: str, generation: int = 1, is_absent: bool = False) -> ClusterSpec:
    desired = "absent" if is_absent else "running"
    return ClusterSpec.model_validate(
        {"cluster_id": cluster_id, "generation": generation, "desired": desired}
    )


def held(generation: int, *clusters: ClusterSpec) -> AcceptedSpec:
    return AcceptedSpec(node=node_spec(generation, *clusters))


def test_a_newer_spec_is_accepted() -> None:
    new = specs.accepted(held(1), node_spec(2, cluster(ONE)))
    assert new is not None
    assert list(new.clusters) == [ONE]


def test_the_same_generation_is_no_news() -> None:
    assert specs.accepted(held(2), node_spec(2, cluster(ONE))) is None


def test_older_generations_are_refused() -> None:
    with pytest.raises(SpecRefused, match="spec generation 1 is older than 2"):
        specs.accepted(held(2), node_spec(1))
    with pytest.raises(SpecRefused, match=f"generation 3 of cluster {ONE} is older than 4"):
        specs.accepted(held(2, cluster(ONE, 4)), node_spec(3, cluster(ONE, 3)))


def test_other_nodes_and_later_contracts_are_refused() -> None:
    with pytest.raises(SpecRefused, match="spec is for node other"):
        specs.accepted(held(1), node_spec(2, node_id="other"))
    later = node_spec(2).model_copy(update={"contract_version": CONTRACT_VERSION + 1})
    with pytest.raises(SpecRefused, match="update the agent"):
        specs.accepted(held(1), later)


def test_a_forgotten_cluster_stays_until_it_is_absent() -> None:
    forgotten = specs.accepted(held(1, cluster(ONE), cluster(TWO)), node_spec(2, cluster(TWO)))
    assert forgotten is not None
    assert set(forgotten.clusters) == {ONE, TWO}
    still = specs.accepted(forgotten, node_spec(3, cluster(TWO)))
    assert still is not None
    assert set(still.clusters) == {ONE, TWO}
    ended = specs.accepted(still, node_spec(4, cluster(ONE, 2, is_absent=True), cluster(TWO)))
    assert ended is not None
    assert ended.unlisted == []
    gone = specs.accepted(ended, node_spec(5, cluster(TWO)))
    assert gone is not None
    assert set(gone.clusters) == {TWO}


def test_disk_gives_back_what_was_saved(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert specs.load(storage, "n") == held(0)
    spec = AcceptedSpec(node=node_spec(7, cluster(ONE)), unlisted=[cluster(TWO)])
    specs.save(storage, spec)
    assert specs.load(storage, "n") == spec
    assert (tmp_path / "spec.json").stat().st_mode & 0o777 == 0o600
    assert specs.load(storage, "another").node.generation == 0


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    for damage in (b"", b"{", b"[]", b'{"node": {}}', b"\xff"):
        (tmp_path / "spec.json").write_bytes(damage)
        assert specs.load(storage, "n").node.generation == 0
