"""Files are whole and private, names cannot leave the directory, one agent holds it."""

from pathlib import Path, PurePath

import pytest

from data_plane.agent.storage import (
    DirectoryInUse,
    Storage,
    digest_of,
    read_json,
    remove_tree,
    write_atomically,
    write_json,
)


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = Storage(tmp_path / "d"), Storage(tmp_path / "d")
    first.lock()
    with pytest.raises(DirectoryInUse, match="another agent already uses"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


@pytest.mark.parametrize("name", ["../x", "", "/etc", "a", "x" * 36])
def test_a_cluster_id_is_a_uuid_or_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        Storage(tmp_path).cluster(name)


def test_files_replace_whole_and_private(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b"
    write_atomically(file, b"one")
    file.chmod(0o666)
    write_atomically(file, b"two")
    assert file.read_bytes() == b"two"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["b"]


def test_json_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    file = tmp_path / "j"
    assert read_json(file) is None
    for damage in (b"", b"[1]", b"{", b"\xff\xff"):
        file.write_bytes(damage)
        assert read_json(file) is None
    write_json(file, {"a": 1})
    assert read_json(file) == {"a": 1}


def test_brokers_are_listed_by_id(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    assert list(storage.brokers()) == []
    cluster = storage.cluster("7a3fdc1e-8f6e-4a35-9a55-0d9b6b3f2c11")
    for number in (10, 2):
        cluster.broker(number).create()
    (cluster.root / "brokers" / "other").mkdir()
    assert [broker.broker_id for broker in storage.brokers()] == [2, 10]
    cluster.remove()
    cluster.remove()
    assert storage.cluster_ids() == []


def test_remove_says_what_it_cannot(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(NotADirectoryError):
        remove_tree(file)


def test_a_digest_tells_names_and_contents_apart() -> None:
    one = {PurePath("a"): b"1", PurePath("b"): b"2"}
    assert digest_of(one) == digest_of(dict(reversed(one.items())))
    others = [
        {PurePath("a"): b"12", PurePath("b"): b""},
        {PurePath("a"): b"2", PurePath("b"): b"1"},
        {PurePath("a"): b"1"},
    ]
    assert len({digest_of(one), *map(digest_of, others)}) == 4
