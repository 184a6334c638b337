"""`ottla config`: an app's config vars, the add-on's URL and certificates among them."""

import shlex

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option, resolve_app
from control_plane.cli.command import command as declare


@declare("config")
@app_option
@click.option("--shell", is_flag=True, help="Print as NAME='value', for `eval` or an .env file.")
def command(cli: Cli, app: str | None, shell: bool) -> None:
    """Show the config vars of an app."""
    owner = resolve_app(cli, app)
    config_vars = cli.platform.get(f"/apps/{owner}/config-vars")

    def text() -> None:
        if shell:
            for name, value in config_vars.items():
                click.echo(f"{name}={shlex.quote(value)}")
            return
        output.heading(f"{owner} Config Vars")
        output.fields((name, _indented(value)) for name, value in config_vars.items())

    cli.show(config_vars, text)


def _indented(value: str) -> str:
    """PEM text over several lines, the later ones set off from the names."""
    return value.strip().replace("\n", "\n    ")
