"""`ottla apps:create`: a new app, the owner of add-ons and config vars."""

import click

from control_plane.cli import output
from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare


@declare("apps:create")
@click.argument("name", required=False)
def command(cli: Cli, name: str | None) -> None:
    """Create an app; without NAME the service makes one up."""
    app = cli.platform.post("/apps", {"name": name} if name else {})

    def text() -> None:
        click.echo(f"Created app {app['name']}")
        output.hint(f"Next: ottla addons:create ottla-kafka:mini-0 --app {app['name']}")

    cli.show(app, text)
