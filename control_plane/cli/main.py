"""`ottla`: the table of commands, in both spellings (`kafka:topics:create`, `kafka topics create`).

A command's module is imported when the command is used, so that `ottla` starts quickly.
"""

import difflib
import importlib
import os
import sys

import click

from control_plane.cli.command import fail
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ABOUT, ExitCode

# name -> module in control_plane/cli/commands; every module has one `command`.
COMMANDS = {
    "signup": "signup",
    "login": "login",
    "logout": "logout",
    "whoami": "whoami",
    "apps": "apps",
    "apps:create": "apps_create",
    "apps:destroy": "apps_destroy",
    "addons": "addons",
    "addons:create": "addons_create",
    "addons:destroy": "addons_destroy",
    "addons:info": "addons_info",
    "addons:plans": "addons_plans",
    "addons:upgrade": "addons_upgrade",
    "addons:wait": "addons_wait",
    "config": "config",
    "kafka:info": "kafka_info",
    "kafka:topics": "kafka_topics",
    "kafka:topics:create": "kafka_topics_create",
    "kafka:topics:destroy": "kafka_topics_destroy",
    "kafka:topics:info": "kafka_topics_info",
    "kafka:topics:tail": "kafka_topics_tail",
    "kafka:topics:write": "kafka_topics_write",
    "kafka:upgrade": "kafka_upgrade",
    "kafka:wait": "kafka_wait",
    "nodes:replace": "nodes_replace",
    "up": "up",
    "down": "down",
    "demo": "demo",
}
ALIASES = {
    "addons:downgrade": "addons:upgrade",
    "kafka": "kafka:info",
    "auth:login": "login",
    "auth:logout": "logout",
    "auth:whoami": "whoami",
}
WORDS_MAX = 3  # of a command's name: kafka topics create


class CommandTable(click.Group):
    """Finds `a:b:c` and `a b c` alike; the longest name wins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if module is None:
            return None
        loaded = importlib.import_module(f"control_plane.cli.commands.{module}")
        command: click.Command = loaded.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        for count in range(min(WORDS_MAX, len(args)), 0, -1):
            if any(word.startswith("-") for word in args[:count]):
                continue
            name = ":".join(args[:count])
            if command := self.get_command(ctx, name):
                return name, command, args[count:]
        raise click.UsageError(self._unknown(args), ctx)

    def _unknown(self, args: list[str]) -> str:
        asked = ":".join(word for word in args[:WORDS_MAX] if not word.startswith("-"))
        known = [*COMMANDS, *ALIASES]
        # `kafka:topic:creat x`: arguments blur the likeness, so shorter beginnings are tried too.
        beginnings = [":".join(asked.split(":")[:count]) for count in range(WORDS_MAX, 0, -1)]
        near = [
            name for text in beginnings for name in difflib.get_close_matches(text, known, 3, 0.6)
        ]
        closest = ", ".join(dict.fromkeys(near[:3]))
        return f"no command {args[0]!r}." + (f" Did you mean: {closest}?" if closest else "")


@click.group(
    cls=CommandTable,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command takes --json. Exit codes: `ottla exit-codes`.",
)
@click.version_option(package_name="ottla", prog_name="ottla")
def ottla() -> None:
    """Apache Kafka as an add-on, on your own machines."""


def main() -> int:
    """The console script: runs a command; returns, or leaves with, its exit code."""
    as_json = "--json" in sys.argv[1:]
    try:
        return _run(sys.argv[1:])
    except click.ClickException as problem:
        if not as_json:
            problem.show()
            return problem.exit_code
        error = CliError(problem.format_message(), code=ExitCode.USAGE, identifier="usage")
    except (click.Abort, KeyboardInterrupt):  # Ctrl-C, or the end of the input at a question
        error = CliError("interrupted", code=ExitCode.INTERRUPTED, identifier="interrupted")
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.UNEXPECTED)
    except OSError as problem:  # a full disk under our output, or our token's file
        where = f": {problem.filename}" if problem.filename else ""
        error = CliError(f"{problem.strerror or problem}{where}", identifier="io_error")
    return fail(error, as_json=as_json)


def _run(words: list[str]) -> int:
    if words in (["exit-codes"], ["help", "exit-codes"]):
        for code, about in ABOUT.items():
            click.echo(f"{int(code):>4}  {about}")
        return int(ExitCode.OK)
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    # A command that did its work returns nothing; --help and --version return their code.
    return ottla(words, prog_name="ottla", standalone_mode=False) or int(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main())
