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
    assert one.current("first", is_formatted=False) == "first"
    assert not path.exists()  # nothing was there yet that could be lost
    assert one.current("first", is_formatted=True) == "first"
    assert note(path).current("first", is_formatted=True) == "first"


def test_each_loss_gives_another_id_once(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    one = note(path)
    one.current("first", is_formatted=True)
    assert one.current("first", is_formatted=False) == "new 1"
    assert one.current("first", is_formatted=False) == "new 1"
    assert note(path).current("first", is_formatted=False) == "new 1"  # not yet formatted again
    assert one.current("first", is_formatted=True) == "new 1"
    assert one.current("first", is_formatted=False) == "new 2"


def test_a_loss_while_no_agent_ran_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    note(path).current("first", is_formatted=True)
    assert note(path).current("first", is_formatted=False) == "new 1"


def test_a_forgotten_broker_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "0.json"
    one = note(path)
    one.current("first", is_formatted=True)
    one.forget()
    assert not path.exists()
    one.forget()
    assert one.current("second", is_formatted=False) == "second"
