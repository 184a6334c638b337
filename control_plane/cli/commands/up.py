"""`ottla up`: run the whole service here, in the foreground."""

import sys
from pathlib import Path

import click

from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode


@declare("up")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where everything is kept.")
@click.option("--port", type=click.IntRange(0, 65535), help="API and dashboard (default 8000).")
@click.option("--advertise", default="127.0.0.1", metavar="HOST", help="What clients are told.")
@click.option("--open-signup", is_flag=True, help="Let anyone who reaches the API sign up.")
def command(
    cli: Cli, data_dir: Path | None, port: int | None, advertise: str, open_signup: bool
) -> None:
    """Run the whole service until Ctrl-C; the data is kept."""
    from control_plane.local.data_directory import default_data_directory
    from control_plane.local.progress import Progress
    from control_plane.local.up import UpOptions, UpRefused, up

    options = UpOptions(data_dir or default_data_directory(), port, advertise, open_signup)
    try:
        status = up(options, Progress(sys.stderr))
    except UpRefused as problem:
        raise CliError(str(problem), code=ExitCode.CONFLICT, identifier="refused") from problem
    if cli.as_json:
        cli.show({"status": status}, lambda: None)
    sys.exit(status)
