"""`ottla whoami`: which account, on which service."""

import click

from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare


@declare("whoami")
def command(cli: Cli) -> None:
    """Show the account you are logged in as."""
    account = cli.platform.get("/account")
    cli.show(
        {**account, "url": cli.platform.url},
        lambda: click.echo(f"{account['email']} on {cli.platform.url}"),
    )
