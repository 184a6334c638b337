"""`ottla-agent` refuses what it cannot run with, in words, before it starts anything."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from data_plane.agent.main import main
from data_plane.agent.storage import Storage


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0
    return result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--control-plane", "http://ottla.example"], "http is for loopback only"),
        (["--control-plane", "http://127.0.0.1:1", "--ports", "9-8"], "port range"),
        (["--control-plane", "https://ottla.example", "--ca-file", "missing.crt"], "No such file"),
        ([], "--data-dir and --control-plane are needed"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: list[str], said: str) -> None:
    assert said in refused("--data-dir", str(tmp_path / "agent"), *options)


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    held = Storage(tmp_path)
    held.lock()
    url = "http://127.0.0.1:1"
    try:
        said = refused("--data-dir", str(tmp_path), "--control-plane", url)
        assert "another agent already uses" in said
        assert "another agent already uses" in refused("stop", "--data-dir", str(tmp_path))
    finally:
        held.unlock()


def test_stop_on_an_empty_directory_has_nothing_to_do(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "never"):
        result = CliRunner().invoke(main, ["stop", "--data-dir", str(directory)])
        assert (result.exit_code, result.output) == (0, "")


def test_no_option_takes_a_secret() -> None:
    """A command line is readable by everyone on the machine."""
    names = {name for parameter in main.params for name in parameter.opts}
    assert "--token-file" in names
    assert not {"--token", "--key", "--password"} & names
