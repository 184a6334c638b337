"""`ottla addons:create PLAN`: order a Kafka; it is provisioned while you read on."""

from typing import Any

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option, resolve_app
from control_plane.cli.command import command as declare
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode
from control_plane.cli.waiting import wait_for_addon


@declare("addons:create")
@click.argument("plan")
@click.argument("settings", nargs=-1, metavar="[-- --OPTION=VALUE ...]")
@app_option
@click.option("--as", "attachment", metavar="NAME", help="Attach as NAME (default KAFKA).")
@click.option("--name", metavar="NAME", help="The add-on's name (default: made up).")
@click.option("--wait", is_flag=True, help="Return when it is available.")
def command(
    cli: Cli,
    plan: str,
    settings: tuple[str, ...],
    app: str | None,
    attachment: str | None,
    name: str | None,
    wait: bool,
) -> None:
    """Create an add-on of PLAN, such as ottla-kafka:mini-0."""
    owner = resolve_app(cli, app)
    body: dict[str, Any] = {"plan": {"name": plan}, "config": options_of(settings)}
    if attachment:
        body["attachment"] = {"name": attachment}
    if name:
        body["name"] = name
    addon = cli.platform.post(f"/apps/{owner}/addons", body)
    if not cli.as_json:
        output.hint(
            f"Creating {addon['plan']['name']} on {owner}... {output.price(addon['plan']['price'])}"
        )
    if wait:
        addon = wait_for_addon(cli, addon)

    def text() -> None:
        click.echo(f"{addon['name']} is {addon['state']}")
        if addon["state"] == "provisioning":
            output.hint(f"Wait for it: ottla addons:wait {addon['name']} --app {owner}")
        else:
            output.hint(f"Its config vars: {', '.join(addon['config_vars'])}")

    cli.show(addon, text)


def options_of(words: tuple[str, ...]) -> dict[str, str | bool]:
    """`--engine=embedded --robot` as {"engine": "embedded", "robot": True} (Heroku's way)."""
    options: dict[str, str | bool] = {}
    for word in words:
        if not word.startswith("--"):
            raise CliError(
                f"{word!r} is no option: add-on options look like -- --engine=embedded",
                code=ExitCode.USAGE,
            )
        name, equals, value = word[2:].partition("=")
        options[name] = value if equals else True
    return options
