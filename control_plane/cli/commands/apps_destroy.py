"""`ottla apps:destroy`: an app and, as on Heroku, the add-ons it pays for."""

import click

from control_plane.cli.command import Cli, confirm_by_name, confirm_option, resolve_app
from control_plane.cli.command import command as declare


@declare("apps:destroy")
@click.argument("app", required=False)
@confirm_option
def command(cli: Cli, app: str | None, confirm: str | None) -> None:
    """Destroy an app with its add-ons and all their data; there is no way back."""
    name = resolve_app(cli, app)
    addons = [addon["name"] for addon in cli.platform.list_all(f"/apps/{name}/addons")]
    confirm_by_name(name, confirm, what_is_lost(name, addons))
    destroyed = cli.platform.delete(f"/apps/{name}")
    cli.show(destroyed, lambda: click.echo(f"Destroyed app {name}"))


def what_is_lost(app: str, addons: list[str]) -> str:
    """The warning: add-ons are named, for their records are what nobody can bring back."""
    if not addons:
        return f"This destroys the app {app} and its config vars."
    return (
        f"This destroys the app {app}, its config vars and its add-ons with every topic and "
        f"record in them: {', '.join(addons)}."
    )
