"""`ottla kafka:topics`: a cluster's topics with their rates."""

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare


@declare("kafka:topics")
@click.argument("addon", required=False)
@app_option
def command(cli: Cli, addon: str | None, app: str | None) -> None:
    """List topics with partitions, retention and traffic."""
    found = resolve_addon(cli, app, addon)
    reply = cli.platform.get(f"/data/kafka/v0/clusters/{found['id']}/topics")
    cli.show(
        reply,
        lambda: output.table(
            ["Name", "Partitions", "Messages", "In", "Out", "Size", "Retention", "Status"],
            [
                [
                    each["name"],
                    each["partitions"],
                    f"{each['messages_in_per_second']:g}/s",
                    f"{output.binary_size(each['bytes_in_per_second'])}/s",
                    f"{output.binary_size(each['bytes_out_per_second'])}/s",
                    output.binary_size(each["data_size"] or 0),
                    output.duration(each["retention_time_ms"]),
                    each["status"],
                ]
                for each in reply["topics"]
            ],
        ),
    )
