"""`ottla addons:wait`: until an add-on is provisioned, or failed."""

import click

from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare
from control_plane.cli.waiting import timeout_option, wait_for_addon


@declare("addons:wait")
@click.argument("addon", required=False)
@app_option
@timeout_option
def command(cli: Cli, addon: str | None, app: str | None, timeout_s: float) -> None:
    """Wait until an add-on is provisioned."""
    found = wait_for_addon(cli, resolve_addon(cli, app, addon), timeout_s)
    cli.show(found, lambda: click.echo(f"{found['name']} is {found['state']}"))
