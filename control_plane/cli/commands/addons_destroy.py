"""`ottla addons:destroy`: the cluster, its topics and its certificates go at once."""

import click

from control_plane.cli import output
from control_plane.cli.command import (
    Cli,
    app_option,
    confirm_by_name,
    confirm_option,
    resolve_addon,
)
from control_plane.cli.command import command as declare
from control_plane.cli.waiting import wait_until_destroyed


@declare("addons:destroy")
@click.argument("addon", required=False)
@app_option
@confirm_option
@click.option("--wait", is_flag=True, help="Return when nothing of it is left.")
def command(cli: Cli, addon: str | None, app: str | None, confirm: str | None, wait: bool) -> None:
    """Destroy an add-on with all its data; there is no way back."""
    found = resolve_addon(cli, app, addon)
    name, owner = found["name"], found["app"]["name"]
    confirm_by_name(
        name,
        confirm,
        f"This destroys {name} ({found['plan']['name']}) of {owner}: every topic and record in it, "
        "its certificates and its config vars.",
    )
    gone = cli.platform.delete(f"/apps/{owner}/addons/{found['id']}", {"force": True})
    if wait:
        gone = wait_until_destroyed(cli, gone)

    def text() -> None:
        click.echo(f"{name} is {gone['state']}")
        if gone["state"] != "deprovisioned":
            output.hint("Its processes and files are being removed.")

    cli.show(gone, text)
