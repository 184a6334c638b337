"""`ottla apps:destroy`: an app without add-ons."""

import click

from control_plane.cli.command import Cli, confirm_by_name, confirm_option, resolve_app
from control_plane.cli.command import command as declare


@declare("apps:destroy")
@click.argument("app", required=False)
@confirm_option
def command(cli: Cli, app: str | None, confirm: str | None) -> None:
    """Destroy an app; its add-ons must be destroyed first."""
    name = resolve_app(cli, app)
    confirm_by_name(name, confirm, f"This destroys the app {name} and its config vars.")
    destroyed = cli.platform.delete(f"/apps/{name}")
    cli.show(destroyed, lambda: click.echo(f"Destroyed app {name}"))
