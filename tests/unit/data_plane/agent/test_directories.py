"""Directory ids: kept while the directory is, new once it is lost, over agents' restarts too."""

from itertools import count
from pathlib import Path

from data_plane.agent.directories import DirectoryNote


def note(path: Path) -> DirectoryNote:
    numbers = count(1)
    return DirectoryNote(path, lambda: f"new {next(numbers)}")


def test_the_first_id_stays_while_the_directory_does(tmp_path: Path) -> None:
    path = tmp_path / "directories" / "0.json"
    one = note(path)
    assert one.current("first", None) == "first"
    assert not path.exists()  # nothing was there yet that could be lost
    assert one.current("first", "first") == "first"
    assert note(path).current("first", "first") == "first"


def test_each_loss_gives_another_id_once(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    one = note(path)
    one.current("first", "first")
    assert one.current("first", None) == "new 1"
    assert one.current("first", None) == "new 1"
    assert note(path).current("first", None) == "new 1"  # not yet formatted again
    assert one.current("first", "new 1") == "new 1"
    assert one.current("first", None) == "new 2"


def test_a_loss_while_no_agent_ran_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    note(path).current("first", "first")
    assert note(path).current("first", None) == "new 1"


def test_a_forgotten_broker_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    one = note(path)
    one.current("first", "first")
    one.forget()
    assert not path.exists()
    one.forget()
    assert one.current("second", None) == "second"


def test_a_broker_that_gets_peers_keeps_the_id_it_has(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    assert note(path).current("first", "its own") == "its own"
    assert note(path).current("first", "its own") == "its own"
    assert note(path).current("first", None) == "new 1"


def test_an_old_directory_that_comes_back_does_not_count(tmp_path: Path) -> None:
    """The broker then refuses its directory, and says so."""
    one = note(tmp_path / "0.json")
    one.current("first", "first")
    one.current("first", None)
    assert one.current("first", "first") == "new 1"
