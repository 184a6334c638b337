"""The table of commands: both spellings, help, --json everywhere, near misses."""

import click
import pytest
from click.testing import CliRunner

from control_plane.cli.main import ALIASES, COMMANDS, CommandTable, ottla


def resolve(words: list[str]) -> tuple[str | None, list[str]]:
    assert isinstance(ottla, CommandTable)
    name, _, rest = ottla.resolve_command(click.Context(ottla), words)
    return name, rest


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        (["kafka:topics:create", "t"], "kafka:topics:create", ["t"]),
        (["kafka", "topics", "create", "t"], "kafka:topics:create", ["t"]),
        (["kafka", "topics:create", "t"], "kafka:topics:create", ["t"]),
        (["kafka", "topics", "-a", "x"], "kafka:topics", ["-a", "x"]),
        (["kafka", "my-cluster"], "kafka", ["my-cluster"]),
        (["apps"], "apps", []),
        (["apps", "create", "flights"], "apps:create", ["flights"]),
    ],
)
def test_colons_and_spaces_are_the_same(words: list[str], name: str, rest: list[str]) -> None:
    assert resolve(words) == (name, rest)


@pytest.mark.parametrize("name", [*COMMANDS, *ALIASES])
def test_every_command_has_help_and_json(name: str) -> None:
    result = CliRunner().invoke(ottla, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "--json" in result.output
    command = ottla.get_command(click.Context(ottla), name)
    assert command is not None
    assert command.get_short_help_str()
    assert command.name == ALIASES.get(name, name)


def test_an_unknown_command_names_the_closest_and_exits_2() -> None:
    result = CliRunner().invoke(ottla, ["adons:create", "x"])
    assert result.exit_code == 2
    assert "addons:create" in result.output
