"""`ottla addons:plans`: the catalogue."""

import click

from control_plane.cli import output
from control_plane.cli.command import Cli
from control_plane.cli.command import command as declare


@declare("addons:plans")
@click.argument("service", default="ottla-kafka")
def command(cli: Cli, service: str) -> None:
    """List the plans of SERVICE with what they cost."""
    plans = cli.platform.list_all(f"/addon-services/{service}/plans")
    cli.show(
        plans,
        lambda: output.table(
            ["Plan", "Price", "What it is"],
            [[p["name"], output.price(p["price"]), p.get("description", "")] for p in plans],
        ),
    )
