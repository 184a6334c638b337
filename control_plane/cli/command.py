"""What every command shares: --json, --url, the client, and errors that end with the right code."""

import functools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from control_plane.cli import credentials, output
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode
from control_plane.cli.platform import Json, Platform

Callback = Callable[..., Any]


@dataclass(slots=True)
class Cli:
    """One invocation: how to print and whom to ask."""

    as_json: bool
    url: str | None
    _platform: Platform | None = None

    @property
    def platform(self) -> Platform:
        """The service, as the logged-in user; connects on first use."""
        if self._platform is None:
            login = credentials.load()
            if self.url and login and login.url != self.url.rstrip("/"):
                login = None  # a token is sent only to the service that issued it
            url = self.url or (login.url if login else credentials.DEFAULT_URL)
            token = os.environ.get("OTTLA_API_KEY") or (login.token if login else None)
            self._platform = Platform(url, token)
        return self._platform

    def show(self, value: Json, print_text: Callable[[], object]) -> None:
        """The one place that chooses between JSON and text."""
        if self.as_json:
            output.emit_json(value)
        else:
            print_text()

    def close(self) -> None:
        if self._platform is not None:
            self._platform.close()


_url_option = click.option(
    "--url", envvar="OTTLA_URL", metavar="URL", help="The service (default: as logged in)."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def command(name: str, **settings: Any) -> Callable[[Callback], click.Command]:
    """Declare a command: its callback's first argument is the invocation's `Cli`."""

    def declare(callback: Callback) -> click.Command:
        @functools.wraps(callback)
        def run(as_json: bool, url: str | None, **arguments: Any) -> None:
            cli = Cli(as_json, url)
            try:
                callback(cli, **arguments)
            except CliError as error:
                fail(error, as_json=as_json)
            finally:
                cli.close()

        made: Callable[[Callback], click.Command] = click.command(name, **settings)
        return made(_url_option(_json_option(run)))

    return declare


def fail(error: CliError, *, as_json: bool) -> NoReturn:
    """Print an error where it belongs and leave with its code."""
    if as_json:
        click.echo(json.dumps(error.body), err=True)
    else:
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {error.message}", err=True)
        if request_id := error.body.get("request_id"):
            click.echo(f"Request-Id: {request_id}", err=True)
    sys.exit(int(error.code))


app_option = click.option(
    "-a", "--app", envvar="OTTLA_APP", metavar="APP", help="The app (default: the only one)."
)
confirm_option = click.option(
    "--confirm", metavar="NAME", help="Confirm by the resource's name, without a question."
)


def resolve_app(cli: Cli, app: str | None) -> str:
    """The app meant: the one named, else the only one. Raises CliError listing the candidates."""
    if app:
        return app
    names = [each["name"] for each in cli.platform.list_all("/apps")]
    if len(names) == 1:
        return str(names[0])
    if not names:
        raise CliError(
            "you have no app yet: ottla apps:create NAME",
            code=ExitCode.NOT_FOUND,
            identifier="not_found",
        )
    raise CliError(
        f"which app? --app one of: {', '.join(sorted(names))}",
        code=ExitCode.USAGE,
        identifier="ambiguous",
    )


def resolve_addon(cli: Cli, app: str | None, addon: str | None) -> Json:
    """The Kafka add-on meant: named, attached under a name, or the app's only one."""
    if addon is not None:
        found = cli.platform.post("/actions/addons/resolve", {"app": app, "addon": addon})
    else:
        found = cli.platform.list_all(f"/apps/{resolve_app(cli, app)}/addons")
    if len(found) == 1:
        return found[0]
    if not found:
        raise CliError(
            "the app has no Kafka add-on yet: ottla addons:create ottla-kafka:mini-0",
            code=ExitCode.NOT_FOUND,
            identifier="not_found",
        )
    names = ", ".join(sorted(each["name"] for each in found))
    raise CliError(
        f"which add-on? Name one of: {names}", code=ExitCode.USAGE, identifier="ambiguous"
    )


def confirm_by_name(name: str, confirm: str | None, what_is_lost: str) -> None:
    """Ask for the resource's name before data is lost; `--yes` would be too easy (product rule).

    Raises CliError(CONFLICT) when the name does not match.
    """
    if confirm is None:
        output.hint(click.style(f" ▸    {what_is_lost}", fg="red"))
        output.hint(
            f" ▸    To proceed, type {click.style(name, bold=True)} or use --confirm {name}"
        )
        try:
            confirm = click.prompt("", prompt_suffix="> ", err=True)
        except click.Abort:
            raise CliError(
                f"not confirmed: nothing was done (use --confirm {name})",
                code=ExitCode.CONFLICT,
                identifier="confirmation_missing",
            ) from None
    if confirm != name:
        raise CliError(
            f"confirmation {confirm} did not match {name}: nothing was done",
            code=ExitCode.CONFLICT,
            identifier="confirmation_mismatch",
        )
