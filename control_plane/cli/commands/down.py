"""`ottla down`: stop what `ottla up` started."""

from pathlib import Path

import click

from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare
from control_plane.cli.errors import CliError


@declare("down")
@click.option("--data-dir", type=click.Path(path_type=Path), help="The service's data directory.")
def command(cli: Cli, data_dir: Path | None) -> None:
    """Stop the service of a data directory, brokers included; the data is kept."""
    from control_plane.local.data_directory import DataDirectory, default_data_directory
    from control_plane.local.down import DownFailed, down

    try:
        done = down(DataDirectory(data_dir or default_data_directory()))
    except DownFailed as problem:
        raise CliError(str(problem)) from problem
    cli.show({"message": done}, lambda: click.echo(done))
