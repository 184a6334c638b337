"""`ottla kafka:topics:write TOPIC MESSAGE`: one record, or one per line of standard input."""

import sys

import click

from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare
from control_plane.cli.kafka_client import KafkaFailure, client_settings, write_records


@declare("kafka:topics:write")
@click.argument("topic")
@click.argument("message")
@click.argument("addon", required=False)
@app_option
@click.option("--key", help="The record's key.")
@click.option("--partition", type=int, help="The partition (default: by key).")
def command(
    cli: Cli,
    topic: str,
    message: str,
    addon: str | None,
    app: str | None,
    key: str | None,
    partition: int | None,
) -> None:
    """Write MESSAGE to TOPIC; `-` writes each line of standard input."""
    found = resolve_addon(cli, app, addon)
    values = (line.rstrip("\n") for line in sys.stdin) if message == "-" else iter([message])
    try:
        written = write_records(client_settings(cli, found), topic, values, key, partition)
    except KafkaFailure as problem:
        raise problem.as_cli_error() from problem

    def text() -> None:
        for place in written:
            click.echo(f"{topic} {place['partition']} {place['offset']}")

    cli.show(written, text)
