"""`ottla demo`: everything once, on real data, checked record by record."""

import sys
from pathlib import Path

import click

from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare
from control_plane.cli.errors import CliError


@declare("demo")
@click.option("--keep", is_flag=True, help="Leave the service running afterwards.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="API port (default: free).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Default: a new temporary one.")
@click.option("--began-at", type=float, hidden=True, help="When `make demo` began (Unix seconds).")
def command(cli: Cli, keep: bool, port: int, data_dir: Path | None, began_at: float | None) -> None:
    """Start a service, provision an add-on, stream 336,776 real records through it, check them."""
    from control_plane.cli.demo.flights import DataSetMissing
    from control_plane.cli.demo.service import ServiceFailed
    from control_plane.cli.demo.stream import StreamFailed
    from control_plane.cli.demo.walk import Demo, DemoOptions
    from control_plane.local.data_directory import DirectoryForeign
    from control_plane.local.progress import Progress

    # With --json stdout is data only; otherwise what the demo tells is the data.
    progress = Progress(sys.stderr if cli.as_json else sys.stdout)
    try:
        demo = Demo(DemoOptions(keep, port, began_at, data_dir), progress)
        status = demo.run()
    except (DataSetMissing, DirectoryForeign, ServiceFailed, StreamFailed) as problem:
        raise CliError(str(problem)) from problem
    if cli.as_json:
        cli.show(demo.figures, lambda: None)
    sys.exit(status)
