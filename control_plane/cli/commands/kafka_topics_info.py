"""`ottla kafka:topics:info TOPIC`."""

from typing import Any

import click

from control_plane.cli import output
from control_plane.cli.command import Cli, app_option, resolve_addon
from control_plane.cli.command import command as declare
from control_plane.cli.errors import CliError
from control_plane.cli.exit_codes import ExitCode


@declare("kafka:topics:info")
@click.argument("topic")
@click.argument("addon", required=False)
@app_option
def command(cli: Cli, topic: str, addon: str | None, app: str | None) -> None:
    """Show a topic: partitions, replication, retention, compaction, traffic."""
    found = resolve_addon(cli, app, addon)
    reply = cli.platform.get(f"/data/kafka/v0/clusters/{found['id']}/topics")
    for each in reply["topics"]:
        if each["name"] == topic:
            cli.show(each, lambda each=each: _print(each))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            return
    raise CliError(
        f"{found['name']} has no topic {topic}", code=ExitCode.NOT_FOUND, identifier="not_found"
    )


def _print(topic: dict[str, Any]) -> None:
    output.heading(topic["name"])
    output.fields(
        [
            ("Status", topic["status"]),
            ("Partitions", topic["partitions"]),
            ("Replication factor", topic["replication_factor"]),
            ("Compaction", "enabled" if topic["compaction"] else "disabled"),
            ("Retention", output.duration(topic["retention_time_ms"])),
            ("Produced", f"{topic['messages_in_per_second']:g} messages/s"),
            ("In", f"{output.binary_size(topic['bytes_in_per_second'])}/s"),
            ("Out", f"{output.binary_size(topic['bytes_out_per_second'])}/s"),
            ("Size", output.binary_size(topic["data_size"] or 0)),
        ]
    )
