"""`ottla kafka:wait`: until the cluster takes clients."""

import click

from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare
from control_plane.cli.waiting import timeout_option, wait_for_cluster


@declare("kafka:wait")
@click.argument("addon", required=False)
@app_option
@timeout_option
def command(cli: Cli, addon: str | None, app: str | None, timeout_s: float) -> None:
    """Wait until a cluster is available."""
    status = wait_for_cluster(cli, resolve_addon(cli, app, addon), timeout_s)
    cli.show(status, lambda: click.echo(status["message"]))
