"""`ottla kafka:topics:tail TOPIC`: follow a topic as records arrive."""

import json
from typing import Any

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare
from control_plane.cli.kafka_client import KafkaFailure, client_settings, read_records


@declare("kafka:topics:tail")
@click.argument("topic")
@click.argument("addon", required=False)
@app_option
@click.option("--from-beginning", is_flag=True, help="Start at the oldest record, not at the end.")
@click.option("--max", "count_max", type=int, metavar="N", help="Stop after N records.")
@click.option("--max-length", type=int, metavar="N", help="Show at most N characters of a value.")
def command(
    cli: Cli,
    topic: str,
    addon: str | None,
    app: str | None,
    from_beginning: bool,
    count_max: int | None,
    max_length: int | None,
) -> None:
    """Follow a topic until Ctrl-C, one line (or one JSON document) per record."""
    found = resolve_addon(cli, app, addon)
    settings = client_settings(cli, found)
    try:
        records = read_records(settings, topic, from_beginning, count_max, output.has_reader)
        for record in records:
            click.echo(json.dumps(record) if cli.as_json else _line(record, max_length))
    except KafkaFailure as problem:
        raise problem.as_cli_error() from problem


def _line(record: dict[str, Any], max_length: int | None) -> str:
    value = "NULL" if record["value"] is None else record["value"]
    key = "" if record["key"] is None else f" {record['key']}"
    shown = value if max_length is None else value[:max_length]
    return f"{record['topic']} {record['partition']} {record['offset']}{key} {shown}"
